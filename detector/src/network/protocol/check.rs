//! What every protocol's tests ask of its samples.

use super::{PROTOCOLS, Prefix, Protocol, Sample, Transport, Verdict, recognise};
use crate::network::Fields;

/// `bytes` as one side's first, with nothing known besides.
pub(super) fn prefix(transport: Transport, bytes: &[u8]) -> Prefix<'_> {
    Prefix { transport, bytes, other: b"", sender_initiated: None }
}

/// The fields that `protocol` finds in `bytes`.
pub(super) fn fields(protocol: &Protocol, transport: Transport, bytes: &[u8]) -> Fields {
    match (protocol.recognise)(&prefix(transport, bytes)) {
        Verdict::Is(found) => found.fields,
        verdict @ (Verdict::More | Verdict::No) => panic!("{verdict:?} for {bytes:?}"),
    }
}

/// Cut anywhere, a sample is never taken for something else nor given up, and it is known once the
/// decisive bytes are there. What follows in a later segment is behind the cut, so this is a message
/// split over two segments as well.
pub(super) fn known(protocol: &Protocol, transport: Transport, samples: &[Sample]) {
    assert!(!samples.is_empty());
    for sample in samples {
        let Sample { name, from, bytes, decisive, application } = *sample;
        let whole = fields(protocol, transport, bytes);
        for cut in 0..=bytes.len() {
            let seen = prefix(transport, &bytes[..cut]);
            match (protocol.recognise)(&seen) {
                Verdict::Is(found) => {
                    assert_eq!(found.speaker, from, "{name}, {cut} bytes");
                    for field in &found.fields {
                        assert!(whole.contains(field), "{name}, {cut} bytes: {field:?} of {whole:?}");
                    }
                }
                Verdict::More => assert!(cut < decisive, "{name} is not known by {cut} bytes"),
                Verdict::No => panic!("{name} is given up at {cut} bytes"),
            }
            if let Some((said, _)) = recognise(&seen) {
                assert_eq!(said, application, "{name}, {cut} bytes");
            }
        }
        assert_eq!(recognise(&prefix(transport, bytes)).map(|(said, _)| said), Some(application), "{name}");
    }
}

/// The kernel half hands every sample over.
pub(super) fn marked(protocol: &Protocol, transport: Transport, samples: &[Sample]) {
    for sample in samples {
        let matches = |mark: &super::Mark| mark.transport == transport && matches(mark.regex, sample.bytes);
        assert!(protocol.marks.iter().any(matches), "no mark for {}", sample.name);
    }
}

/// None of these, whole or cut, is the protocol.
pub(super) fn foreign(protocol: &Protocol, transport: Transport, others: &[&[u8]]) {
    for bytes in others {
        for cut in 0..=bytes.len() {
            let verdict = (protocol.recognise)(&prefix(transport, &bytes[..cut]));
            assert!(!matches!(verdict, Verdict::Is(_)), "{verdict:?} of {:?}", &bytes[..cut]);
        }
    }
}

fn matches(regex: &str, bytes: &[u8]) -> bool {
    use regex_automata::dfa::{Automaton as _, dense};
    use regex_automata::util::syntax;
    use regex_automata::{Anchored, Input};
    let dfa = dense::Builder::new()
        .syntax(syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true))
        .build(regex)
        .unwrap();
    dfa.try_search_fwd(&Input::new(bytes).anchored(Anchored::Yes)).unwrap().is_some()
}

#[test]
fn a_protocol_stands_in_the_registry_once() {
    for (at, protocol) in PROTOCOLS.iter().enumerate() {
        assert!(PROTOCOLS[at + 1..].iter().all(|other| other.application != protocol.application));
    }
}
