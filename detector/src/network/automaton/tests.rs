//! What the table says of bytes.

use super::*;
use crate::network::protocol::{Application, Prefix, Verdict, Want};

const WANT: Want = Want { bytes: 64, again: 0, urgent: false, length_at: None };

fn no(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}

fn of(marks: &'static [Mark]) -> Result<Automaton, AutomatonError> {
    compile_of(&[Protocol { application: Application::Tunnel, marks, recognise: no }])
}

const fn mark(transport: Transport, regex: &'static str) -> Mark {
    Mark { transport, regex, want: WANT }
}

#[test]
fn a_mark_matches_as_soon_as_it_can_and_the_first_of_two_is_told() {
    const MARKS: &[Mark] = &[
        mark(Transport::Tcp, "abc"),
        mark(Transport::Tcp, "ab+"),
        mark(Transport::Udp, "b"),
        mark(Transport::Tcp, r"\x00.\xff"),
    ];
    let automaton = of(MARKS).unwrap();
    assert_eq!(automaton.run(Transport::Tcp, b"abc"), Step::Accepted { mark: 1, after: 2 });
    assert_eq!(automaton.run(Transport::Tcp, b"a"), Step::Live);
    assert_eq!(automaton.run(Transport::Tcp, b""), Step::Live);
    assert_eq!(automaton.run(Transport::Tcp, b"xab"), Step::Dead { after: 1 });
    assert_eq!(automaton.run(Transport::Tcp, b"b"), Step::Dead { after: 1 });
    assert_eq!(automaton.run(Transport::Udp, b"b"), Step::Accepted { mark: 2, after: 1 });
    assert_eq!(automaton.run(Transport::Tcp, b"\0\n\xff"), Step::Accepted { mark: 3, after: 3 });

    const SAME: &[Mark] = &[mark(Transport::Tcp, "[a-z]z"), mark(Transport::Tcp, "az")];
    assert_eq!(of(SAME).unwrap().run(Transport::Tcp, b"az"), Step::Accepted { mark: 0, after: 2 });
}

#[test]
fn tokens_are_found_wherever_they_stand() {
    const MARKS: &[Mark] = &[mark(Transport::Tcp, r"\{.*(?:mining\.|eth_get)")];
    let automaton = of(MARKS).unwrap();
    for text in ["{mining.", "{\"a\": [1, \"mimining.\"", "{ethmineth_get"] {
        assert_eq!(
            automaton.run(Transport::Tcp, text.as_bytes()),
            Step::Accepted { mark: 0, after: text.trim_end_matches('"').len() },
            "{text}"
        );
    }
    assert_eq!(automaton.run(Transport::Tcp, b"{mining eth_gemining"), Step::Live);
}

#[test]
fn an_accepting_state_has_no_way_out_and_the_dead_stay_dead() {
    let automaton = compile().unwrap();
    assert_eq!(automaton.table.len(), STATES * 256);
    for state in (usize::from(ACCEPT)..STATES).chain([usize::from(DEAD)]) {
        for byte in 0..256 {
            assert_eq!(usize::from(automaton.table[state << 8 | byte]), state);
        }
    }
    let last = automaton.marks.len();
    for next in &automaton.table[..usize::from(ACCEPT) << 8] {
        let next = usize::from(*next);
        assert!(next < automaton.states || (usize::from(ACCEPT)..usize::from(ACCEPT) + last).contains(&next));
    }
}

#[test]
fn a_mark_that_is_none_is_named() {
    const BAD: &[Mark] = &[mark(Transport::Tcp, "a(")];
    assert!(of(BAD).unwrap_err().to_string().contains("`a(` of tunnel"));
    const EMPTY: &[Mark] = &[mark(Transport::Tcp, "a*")];
    assert!(of(EMPTY).unwrap_err().to_string().contains("matches nothing"));
    const END: &[Mark] = &[mark(Transport::Udp, r"a\z")];
    assert!(of(END).unwrap_err().to_string().contains("looks around"));
}

#[test]
fn too_much_is_refused_with_its_size() {
    const ONE: Mark = mark(Transport::Tcp, "abc");
    const MANY: &[Mark] = &[ONE; MARKS + 1];
    assert!(matches!(of(MANY), Err(AutomatonError::Marks(64))));
    const LONG: &[Mark] = &[mark(Transport::Tcp, "a{1000}")];
    assert!(matches!(of(LONG), Err(AutomatonError::States(1002))));
    const HUGE: &[Mark] = &[mark(Transport::Tcp, ".*a.{30}")];
    assert!(of(HUGE).is_err());
}

#[test]
fn the_table_is_made_in_little_time() {
    let begin = std::time::Instant::now();
    let automaton = compile().unwrap();
    let took = begin.elapsed();
    println!("{} marks, {} states below {ACCEPT}, {took:?}", automaton.marks.len(), automaton.states);
    // A debug build; 50 ms are what a start may take in a release build.
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

fn secrets(count: usize) -> Vec<String> {
    let shape = crate::canary::token::PASSWORD;
    let bytes = |number: usize| (0..32).map(move |at| (number * 131 + at * 17 + at * at * number) as u8);
    (0..count).map(|number| shape.token(bytes(number))).collect()
}

fn strings(secrets: &[String]) -> StringTable {
    StringTable::new(&secrets.iter().map(String::as_bytes).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_string_of_a_canary_is_found_wherever_it_stands() {
    let secrets = secrets(3);
    let table = strings(&secrets);
    for before in ["", "x", "password: ", "SSH-", "{\"id\": 1, \"meth", "\u{16}\u{3}", &secrets[1][..15]] {
        for secret in &secrets {
            assert!(table.is_in(format!("{before}{secret} and more").as_bytes()), "{before}{secret}");
        }
    }
    assert!(!table.is_in(b"just words of no meaning to anybody, for as long as it takes"));
    assert!(!table.is_in(&secrets[0].as_bytes()[..15]));
}

#[test]
fn without_strings_no_walk_begins() {
    let table = strings(&[]);
    assert!(table.table.iter().all(|cell| *cell == 0));
    assert!(!table.is_in(b"anything"));
}

#[test]
fn strings_beyond_the_room_are_left_out_and_counted() {
    let began = std::time::Instant::now();
    let many = secrets(200);
    let table = strings(&many);
    println!("{} strings, {:?}", table.strings, began.elapsed());
    assert_eq!(table.strings, 85);
    assert!(many[..85].iter().all(|secret| table.is_in(secret.as_bytes())));
}
