//! The corpus: every sample of every protocol is recognised however it is cut, and ordinary traffic is none of them.
#![expect(clippy::indexing_slicing, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeMap;

use detector::network::Role;
use detector::network::automaton::{Automaton, Step, compile};
use detector::network::protocol::{
    Application, PROTOCOLS, Prefix, Sample, Transport, Verdict, recognise, samples,
};

#[path = "corpus/ordinary.rs"]
mod ordinary;
#[path = "corpus/random.rs"]
mod random;

/// What the other side of a sample's flow sent: for a handshake that is known by both of its messages.
fn other(sample: &Sample) -> &'static [u8] {
    match sample.application {
        Application::Noise => samples()
            .find(|other| other.application == Application::Noise && other.from != sample.from)
            .map_or(b"", |other| other.bytes),
        Application::Stratum
        | Application::Ssh
        | Application::Tls
        | Application::Http
        | Application::Dns
        | Application::Socks
        | Application::Tunnel
        | Application::Canary
        | Application::Shell => b"",
    }
}

/// A sample does not say how it was sent: whatever its protocol knows it by.
fn what(sample: &Sample, bytes: &[u8]) -> Option<(Application, Role)> {
    [Transport::Tcp, Transport::Udp].into_iter().find_map(|transport| {
        let sender_initiated = Some(sample.from == Role::Client);
        let prefix = Prefix { transport, bytes, other: other(sample), sender_initiated };
        let known = recognise(&prefix)?;
        Some((known.0, known.1.speaker))
    })
}

#[derive(Default)]
struct Rate {
    samples: usize,
    cuts: usize,
    known: usize,
    early: usize,
    splits: usize,
    rejoined: usize,
}

#[test]
fn every_sample_is_recognised_wherever_it_is_cut_or_split() {
    let mut rates: BTreeMap<Application, Rate> = BTreeMap::new();
    let mut missed = Vec::new();
    for sample in samples() {
        let rate = rates.entry(sample.application).or_default();
        rate.samples += 1;
        for cut in 1..=sample.bytes.len() {
            let known = what(sample, &sample.bytes[..cut]);
            if cut >= sample.decisive {
                rate.cuts += 1;
                if known.is_some_and(|(application, _)| application == sample.application) {
                    rate.known += 1;
                } else {
                    missed.push(format!("{} cut at {cut}: {known:?}", sample.name));
                }
            } else if let Some((application, _)) = known {
                rate.early += 1;
                // Fewer bytes may say it, but never say something else: HTTP is what miners also speak.
                if application != sample.application && application != Application::Http {
                    missed.push(format!("{} is {application:?} at {cut}", sample.name));
                }
            }
        }
        // The first part is looked at alone; what it is not yet, both together are.
        for split in 1..sample.bytes.len() {
            rate.splits += 1;
            let (first, _) = sample.bytes.split_at(split);
            let known = what(sample, first).filter(|(application, _)| *application == sample.application);
            match known.or_else(|| what(sample, sample.bytes)) {
                Some((application, _)) if application == sample.application => rate.rejoined += 1,
                known => missed.push(format!("{} split at {split}: {known:?}", sample.name)),
            }
        }
    }
    println!(
        "{:<10}{:>8}{:>8}{:>10}{:>8}{:>8}{:>10}",
        "", "samples", "cuts", "known", "early", "splits", "known"
    );
    for (application, rate) in &rates {
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        println!(
            "{:<10}{:>8}{:>8}{:>8.1} %{:>8}{:>8}{:>8.1} %",
            application.name(),
            rate.samples,
            rate.cuts,
            percent(rate.known, rate.cuts),
            rate.early,
            rate.splits,
            percent(rate.rejoined, rate.splits)
        );
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
    assert!(rates.contains_key(&Application::Stratum) && rates.contains_key(&Application::Shell));
}

#[test]
fn the_speaker_of_every_sample_is_told() {
    for sample in samples() {
        assert_eq!(what(sample, sample.bytes), Some((sample.application, sample.from)), "{}", sample.name);
    }
}

/// Whether the kernel half hands the bytes over, or goes on with what follows.
fn handed_over(automaton: &Automaton, bytes: &[u8]) -> bool {
    [Transport::Tcp, Transport::Udp].into_iter().any(|transport| match automaton.run(transport, bytes) {
        Step::Accepted { .. } | Step::Live => true,
        Step::Dead { .. } => false,
    })
}

#[test]
fn the_kernel_half_hands_over_every_sample() {
    let automaton = compile().unwrap();
    let mut accepted = 0;
    for sample in samples() {
        // Noise has no mark: 64 bytes are handed over for their number.
        if sample.application == Application::Noise {
            assert!(
                PROTOCOLS.iter().any(|row| row.application == Application::Noise && row.marks.is_empty())
            );
            continue;
        }
        for cut in 1..=sample.bytes.len() {
            assert!(handed_over(&automaton, &sample.bytes[..cut]), "{} cut at {cut}", sample.name);
        }
        // What is known must have been accepted, not merely not refused.
        let whole = [Transport::Tcp, Transport::Udp]
            .into_iter()
            .any(|transport| matches!(automaton.run(transport, sample.bytes), Step::Accepted { .. }));
        assert!(whole, "{} is not accepted: {:?}", sample.name, automaton.run(Transport::Tcp, sample.bytes));
        accepted += 1;
    }
    println!("{accepted} samples accepted; {} marks, {} states", automaton.marks.len(), automaton.states);
}

/// What an application may be called that is none of those that rules are about.
fn harmless(application: Application, kind: &ordinary::Kind) -> bool {
    match application {
        Application::Http | Application::Tls | Application::Dns => true,
        // WireGuard is a tunnel of its own, which the tunnel parser knows by name.
        Application::Tunnel => kind.name == "wireguard",
        Application::Stratum
        | Application::Ssh
        | Application::Socks
        | Application::Noise
        | Application::Canary
        | Application::Shell => false,
    }
}

#[test]
fn ordinary_traffic_is_none_of_what_rules_are_about() {
    const EACH: usize = 400;
    let automaton = compile().unwrap();
    let mut wrong = Vec::new();
    let mut all = 0;
    println!("{:<24}{:>10}{:>12}{:>12}{:>8}", "", "messages", "recognised", "accepted", "false");
    for kind in ordinary::KINDS {
        let mut random = random::Random::of(kind.name);
        let (mut recognised, mut accepted, before) = (0, 0, wrong.len());
        for at in 0..EACH {
            let bytes = (kind.make)(&mut random, at);
            accepted += usize::from(matches!(automaton.run(kind.transport, &bytes), Step::Accepted { .. }));
            let whole = bytes.len();
            let reply = random.bytes(1 + at % 300);
            // Whole, beside an answer, and as much of it as a first segment may hold; at least three bytes, for
            // the two first ones of a title in Markdown are a prompt.
            let cuts = [3 + random.below(bytes.len()), 64, 256].map(|cut| (cut.min(bytes.len()), &b""[..]));
            for (cut, other) in [(bytes.len(), &b""[..]), (bytes.len(), &reply)].into_iter().chain(cuts) {
                let bytes = &bytes[..cut];
                let prefix = Prefix {
                    transport: kind.transport,
                    bytes,
                    other,
                    sender_initiated: Some(kind.from == Role::Client),
                };
                let Some((application, _)) = recognise(&prefix) else { continue };
                recognised += usize::from(cut == whole && other.is_empty());
                if !harmless(application, kind) {
                    wrong.push(format!("{} is {application:?}: {}", kind.name, bytes.escape_ascii()));
                }
            }
        }
        all += EACH;
        println!("{:<24}{EACH:>10}{recognised:>12}{accepted:>12}{:>8}", kind.name, wrong.len() - before);
    }
    println!("{all} messages of {} kinds, {} false", ordinary::KINDS.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn random_bytes_of_any_length_are_nothing_and_harm_nothing() {
    let mut random = random::Random::of("noise");
    for at in 0..20_000 {
        let bytes = random.bytes(1 + at % 400);
        let other = random.bytes(at % 233);
        for transport in [Transport::Tcp, Transport::Udp] {
            let prefix = Prefix { transport, bytes: &bytes, other: &other, sender_initiated: None };
            for protocol in PROTOCOLS {
                let verdict = (protocol.recognise)(&prefix);
                let named = matches!(
                    protocol.application,
                    Application::Stratum | Application::Ssh | Application::Shell | Application::Noise
                );
                assert!(
                    !(named && matches!(verdict, Verdict::Is(_))),
                    "{}: {bytes:?}",
                    protocol.application.name()
                );
            }
        }
    }
}
