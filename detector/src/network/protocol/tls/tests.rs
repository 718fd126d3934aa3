//! Hellos of real clients, of the description of JA4, and broken ones.

use serde_json::json;

use super::super::check;
use super::*;

fn field(bytes: &[u8], name: &str) -> Option<Value> {
    let fields = check::fields(&PROTOCOL, Transport::Tcp, bytes);
    fields.into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
}

fn sized<const N: usize>(count: usize, bytes: &[u8]) -> Vec<u8> {
    let count = u32::try_from(count).unwrap().to_be_bytes();
    [&count[4 - N..], bytes].concat()
}

fn list<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    sized::<N>(bytes.len(), bytes)
}

fn numbers(hex: &str) -> Vec<u8> {
    hex.split(',').flat_map(|word| u16::from_str_radix(word, 16).unwrap().to_be_bytes()).collect()
}

/// One record with a hello of these cipher suites and extensions.
fn hello(ciphers: &str, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, body)| [kind.to_be_bytes().to_vec(), list::<2>(body)].concat())
        .collect();
    let body = [
        b"\x03\x03".to_vec(),
        vec![7; 32],
        list::<1>(&[9; 32]),
        list::<2>(&numbers(ciphers)),
        list::<1>(&[0]),
        list::<2>(&extensions),
    ]
    .concat();
    let message = [vec![1], list::<3>(&body)].concat();
    [b"\x16\x03\x01".to_vec(), list::<2>(&message)].concat()
}

/// The example of the description, with values that only test a server's tolerance put between.
fn example() -> Vec<u8> {
    let ciphers =
        "3a3a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035".to_owned();
    let mut extensions = vec![(0x0a0a, vec![])];
    for kind in numbers("001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015")
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    {
        extensions.push((
            kind,
            match kind {
                0 => list::<2>(&[vec![0], list::<2>(b"Pool.Example.ORG")].concat()),
                16 => list::<2>(b"\x02h2\x08http/1.1"),
                13 => list::<2>(&numbers("0403,0804,0401,0503,0805,0501,0806,0601")),
                43 => list::<1>(&numbers("dada,0304,0303")),
                0x33 => vec![5; 100],
                _ => vec![],
            },
        ));
    }
    extensions.push((0xfafa, vec![0]));
    hello(&ciphers, &extensions)
}

#[test]
fn samples_are_known_wherever_they_are_split() {
    check::known(&PROTOCOL, Transport::Tcp, SAMPLES);
    check::marked(&PROTOCOL, Transport::Tcp, SAMPLES);
}

/// Measured values of OpenSSL 3.0, curl, GnuTLS and Python of Debian 12.
#[test]
fn fingerprints_of_real_clients_are_the_measured_ones() {
    let [openssl, curl, gnutls, python] = SAMPLES else { panic!("other samples") };
    for (sample, ja4, sni, alpn) in [
        (openssl, "t13i310900_e8f1e7e78f70_1f22a2ca17c4", None, None),
        (curl, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", Some("pool.example"), Some(json!(["h2", "http/1.1"]))),
        (
            gnutls,
            "t13d2912h2_723694b0fccc_288f874c93d6",
            Some("pool.example"),
            Some(json!(["h2", "http/1.1"])),
        ),
        (python, "t13d181100_85036bcba153_d41ae481755e", Some("pool.example"), None),
    ] {
        assert_eq!(field(sample.bytes, "Ja4"), Some(json!(ja4)), "{}", sample.name);
        assert_eq!(field(sample.bytes, "Sni"), sni.map(Value::from), "{}", sample.name);
        assert_eq!(field(sample.bytes, "Alpn"), alpn, "{}", sample.name);
        assert_eq!(field(sample.bytes, "TlsVersion"), Some(json!("1.3")), "{}", sample.name);
    }
}

#[test]
fn the_example_of_the_description_has_its_fingerprint() {
    let bytes = example();
    assert_eq!(field(&bytes, "Ja4"), Some(json!("t13d1516h2_8daaf6152771_e5627efa2ab1")));
    assert_eq!(field(&bytes, "Sni"), Some(json!("pool.example.org")));
    let plain: Vec<(u16, Vec<u8>)> =
        numbers("0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01")
            .chunks(2)
            .map(|pair| (u16::from_be_bytes([pair[0], pair[1]]), vec![]))
            .collect();
    assert_eq!(
        field(&hello("1301", &plain), "Ja4").unwrap().as_str().unwrap().split('_').nth(2),
        Some("6d807ffa2a79")
    );
}

#[test]
fn a_hello_without_extensions_is_one() {
    let body = [b"\x03\x01".to_vec(), vec![7; 32], vec![0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let message = [vec![1], list::<3>(&body)].concat();
    let bytes = [b"\x16\x03\x01".to_vec(), list::<2>(&message)].concat();
    assert_eq!(field(&bytes, "TlsVersion"), Some(json!("1.0")));
    assert_eq!(
        field(&bytes, "Ja4").unwrap().as_str().unwrap(),
        "t10i010000_".to_owned()
            + &{
                let digest = Sha256Digits::of("002f");
                digest + "_000000000000"
            }
    );
}

/// Twelve digits, for the test alone.
struct Sha256Digits;
impl Sha256Digits {
    fn of(text: &str) -> String {
        use sha2::Digest as _;
        sha2::Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[test]
fn a_hello_in_many_records_is_put_together() {
    let whole = SAMPLES[1].bytes;
    for size in [1, 2, 3, 5, 64, 511] {
        let records: Vec<u8> = whole[5..]
            .chunks(size)
            .flat_map(|fragment| [b"\x16\x03\x03".to_vec(), list::<2>(fragment)].concat())
            .collect();
        if records.len() < usize::from(BYTES) {
            assert_eq!(
                check::fields(&PROTOCOL, Transport::Tcp, &records),
                check::fields(&PROTOCOL, Transport::Tcp, whole),
                "fragments of {size}"
            );
        }
    }
}

#[test]
fn a_hello_longer_than_what_is_handed_over_gives_what_is_there() {
    let name = (0, list::<2>(&[vec![0], list::<2>(b"late.example")].concat()));
    let share = (0x33, vec![5; 3000]);
    let bytes = hello("1301", &[name.clone(), share.clone()]);
    let budget = usize::from(BYTES);
    assert_eq!((PROTOCOL.recognise)(&check::prefix(Transport::Tcp, &bytes[..budget - 1])), Verdict::More);
    let fields = check::fields(&PROTOCOL, Transport::Tcp, &bytes[..budget]);
    assert_eq!(fields, [("Sni", json!("late.example"))], "no fingerprint and no version of a part");
    let bytes = hello("1301", &[share, name]);
    assert_eq!(check::fields(&PROTOCOL, Transport::Tcp, &bytes[..budget]), []);
    assert!(field(&bytes, "Ja4").is_some());
}

#[test]
fn other_bytes_are_no_hello() {
    let mut wrong_ciphers = SAMPLES[0].bytes.to_vec();
    wrong_ciphers[5 + 4 + 2 + 32 + 33 + 1] |= 1;
    check::foreign(
        &PROTOCOL,
        Transport::Tcp,
        &[
            b"\x16\x03\x01\x00\x00\x01",
            b"\x16\x03\x03\x00\x45\x02\x00\x00\x41\x03\x03aaaaaaaa",
            b"\x16\x03\x01\x00\x30\x01\x00\x00\x02\x03\x03",
            b"\x16\x03\x01\x00\x05\x01\x00\x01\x20\x03\x15\x03\x01\x00\x02\x02\x28",
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"GET / HTTP/1.1\r\n\r\n",
            &wrong_ciphers,
        ],
    );
    check::foreign(&PROTOCOL, Transport::Udp, &[SAMPLES[0].bytes]);
}

/// A hello whose extensions do not add up is one without a fingerprint.
#[test]
fn broken_extensions_give_no_fingerprint() {
    let mut bytes = example();
    let last = bytes.len() - 2;
    bytes[last] = 9;
    let fields = check::fields(&PROTOCOL, Transport::Tcp, &bytes);
    assert!(fields.iter().all(|(name, _)| *name != "Ja4"), "{fields:?}");
    assert!(fields.iter().any(|(name, _)| *name == "Sni"));
}
