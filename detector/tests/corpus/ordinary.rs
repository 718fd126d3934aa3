//! What machines of agents say all day, varied: the first message of one side of a flow.

use detector::network::Role;
use detector::network::protocol::Transport;

use super::random::Random;

/// One kind of ordinary traffic.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    pub(crate) from: Role,
    pub(crate) make: fn(&mut Random, usize) -> Vec<u8>,
}

const fn tcp(name: &'static str, from: Role, make: fn(&mut Random, usize) -> Vec<u8>) -> Kind {
    Kind { name, transport: Transport::Tcp, from, make }
}

const fn udp(name: &'static str, make: fn(&mut Random, usize) -> Vec<u8>) -> Kind {
    Kind { name, transport: Transport::Udp, from: Client, make }
}

use Role::{Client, Server};

pub(crate) const KINDS: &[Kind] = &[
    tcp("http/1 request", Client, http_request),
    tcp("http/1 response", Server, http_response),
    tcp("http/2", Client, http2),
    tcp("grpc", Server, grpc),
    tcp("websocket frame", Client, websocket),
    tcp("json-rpc line", Client, json_line),
    tcp("json-rpc answer", Server, json_answer),
    tcp("json-rpc framed (lsp)", Client, lsp),
    tcp("ethereum node rpc", Client, ethereum),
    tcp("ethereum node over http", Client, ethereum_http),
    tcp("log line in json", Client, log_line),
    tcp("postgres", Client, postgres),
    tcp("postgres answer", Server, postgres_answer),
    tcp("redis", Client, redis),
    tcp("redis answer", Server, redis_answer),
    tcp("mysql", Server, mysql),
    tcp("mqtt", Client, mqtt),
    tcp("amqp", Client, amqp),
    tcp("kafka", Client, kafka),
    tcp("git over http", Client, git_http),
    tcp("git", Client, git),
    tcp("rsync", Client, rsync),
    tcp("smtp", Server, smtp),
    tcp("smtp client", Client, smtp_client),
    tcp("ftp, imap, pop", Server, mail),
    tcp("telnet", Server, telnet),
    tcp("markdown and scripts", Server, markdown),
    tcp("tls application data", Server, tls_data),
    tcp("dns over tcp", Client, dns_tcp),
    udp("mdns", mdns),
    udp("ntp", ntp),
    udp("stun", stun),
    udp("quic", quic),
    udp("wireguard", wireguard),
];

fn http_request(random: &mut Random, at: usize) -> Vec<u8> {
    let method = random.of_these(&["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]);
    let path =
        random.of_these(&["/v1/messages", "/", "/json_rpc", "/simple/numpy/", "/mining/howto", "/api/login"]);
    let body = match at % 4 {
        0 => format!(r#"{{"method":"login","params":{{"login":"{}","agent":"web"}}}}"#, random.word()),
        1 => format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"what is mining.subscribe? {}"}}]}}"#,
            random.word()
        ),
        2 => format!("grant_type=password&user={}", random.word()),
        _ => String::new(),
    };
    format!(
        "{method} {path}?{} HTTP/1.1\r\nHost: {}.example\r\nUser-Agent: {}/1.{at}\r\nAccept: */*\r\nContent-Length: {}\r\n\r\n{body}",
        random.word(),
        random.word(),
        random.of_these(&["curl", "python-requests", "node", "pip", "Go-http-client"]),
        body.len()
    )
    .into_bytes()
}

fn http_response(random: &mut Random, at: usize) -> Vec<u8> {
    let body = match at % 3 {
        0 => format!("# {}\n\nmining.notify and $ ", random.word()),
        1 => format!(r#"{{"id":{at},"result":{{"status":"OK","id":"{}"}}}}"#, random.word()),
        _ => format!("<html>{}</html>", random.word()),
    };
    format!(
        "HTTP/1.1 {} X\r\nServer: {}\r\nContent-Length: {}\r\n\r\n{body}",
        200 + at % 304,
        random.word(),
        body.len()
    )
    .into_bytes()
}

fn http2(random: &mut Random, at: usize) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 6 * (at % 4) as u8, 4, 0, 0, 0, 0, 0]);
    bytes.extend(random.bytes(6 * (at % 4)));
    bytes
}

/// Frames without the preface, as a server sends them.
fn grpc(random: &mut Random, at: usize) -> Vec<u8> {
    let long = random.below(200);
    let kind = [4, 0, 1, 6, 8][at % 5];
    let mut bytes = vec![0, 0, long as u8, kind, (at % 5) as u8, 0, 0, 0, (at % 9) as u8];
    bytes.extend(random.bytes(long));
    bytes
}

fn websocket(random: &mut Random, at: usize) -> Vec<u8> {
    let long = random.below(125);
    let mut bytes = vec![0x80 | [1, 2, 9, 10][at % 4], 0x80 | long as u8];
    bytes.extend(random.bytes(4 + long));
    bytes
}

fn json_line(random: &mut Random, at: usize) -> Vec<u8> {
    let params = match at % 5 {
        0 => format!(
            r#"{{"name":"grep","arguments":{{"pattern":"mining.{}","login":"x","agent":"y"}}}}"#,
            random.word()
        ),
        1 => format!(r#"["{}","0x{}"]"#, random.word(), random.hex(64)),
        2 => format!(r#"{{"job_id":"{}","nonce":"{}","target":"prod"}}"#, random.word(), random.hex(8)),
        3 => r#"{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#
            .to_owned(),
        _ => "[]".to_owned(),
    };
    let method = random.of_these(&[
        "tools/call",
        "tools/list",
        "initialize",
        "notifications/initialized",
        "textDocument/didOpen",
        "ping",
        "submitJob",
        "job.get",
        "auth.login",
        "getinfo",
        "sum",
        "resources/read",
    ]);
    match at % 3 {
        0 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{at},\"method\":\"{method}\",\"params\":{params}}}\n"),
        1 => format!("{{\"method\": \"{method}\", \"params\": {params}, \"id\": {at}}}\n"),
        _ => format!("{{\"params\":{params},\"method\":\"{method}\",\"id\":\"{}\"}}\n", random.word()),
    }
    .into_bytes()
}

fn json_answer(random: &mut Random, at: usize) -> Vec<u8> {
    let result = match at % 6 {
        0 => "true".to_owned(),
        1 => format!(r#"{{"content":[{{"type":"text","text":"mining.notify {}"}}]}}"#, random.word()),
        2 => format!(r#"{{"blob":"{}","job_id":"{at}","target":"main"}}"#, random.word()),
        3 => format!(r#"{{"status":"OK","id":"{}"}}"#, random.word()),
        4 => format!(r#"["0x{}","0x{}"]"#, random.hex(64), random.hex(64)),
        _ => format!(r#"{{"data":"{}","target":"x86_64"}}"#, random.hex(40)),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{at},\"result\":{result}}}\n").into_bytes()
}

fn lsp(random: &mut Random, at: usize) -> Vec<u8> {
    let body = String::from_utf8_lossy(&json_line(random, at)).into_owned();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn ethereum(random: &mut Random, at: usize) -> Vec<u8> {
    let (method, params) = match at % 7 {
        0 => ("eth_blockNumber", "[]".to_owned()),
        1 => ("eth_getBlockByNumber", format!("[\"0x{:x}\",true]", at * 7)),
        2 => (
            "eth_call",
            format!("[{{\"to\":\"0x{}\",\"data\":\"0x{}\"}},\"latest\"]", random.hex(40), random.hex(136)),
        ),
        3 => ("eth_getLogs", format!("[{{\"topics\":[\"0x{}\"]}}]", random.hex(64))),
        4 => ("eth_chainId", "[]".to_owned()),
        5 => ("eth_sendRawTransaction", format!("[\"0x{}\"]", random.hex(220))),
        _ => ("eth_getTransactionReceipt", format!("[\"0x{}\"]", random.hex(64))),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{at},\"method\":\"{method}\",\"params\":{params}}}\n").into_bytes()
}

fn ethereum_http(random: &mut Random, at: usize) -> Vec<u8> {
    let body = ethereum(random, at);
    let mut bytes =
        format!("POST / HTTP/1.1\r\nHost: 127.0.0.1:8545\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend(body);
    bytes
}

fn log_line(random: &mut Random, at: usize) -> Vec<u8> {
    match at % 3 {
        0 => format!(
            "{{\"version\":\"1.1\",\"host\":\"{}\",\"short_message\":\"login of {} to pool\",\"level\":{},\"_job_id\":\"{at}\",\"_agent\":\"x\"}}\0",
            random.word(), random.word(), at % 8
        ),
        1 => format!(
            "{{\"@timestamp\":\"2024-11-05T10:{:02}:00Z\",\"message\":\"mining.submit {}\",\"target\":\"prod\",\"nonce\":\"{}\"}}\n",
            at % 60, random.word(), random.hex(16)
        ),
        _ => format!("{{\"level\":\"info\",\"msg\":\"{}\",\"agent\":\"{}\",\"id\":{at}}}\n", random.word(), random.word()),
    }
    .into_bytes()
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn postgres(random: &mut Random, at: usize) -> Vec<u8> {
    match at % 3 {
        0 => vec![0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f],
        1 => {
            let body = format!("user\0{}\0database\0{}\0\0", random.word(), random.word());
            let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
            bytes.extend([0, 3, 0, 0]);
            bytes.extend(body.bytes());
            bytes
        }
        _ => framed(b'Q', format!("SELECT $1 # {};\0", random.word()).as_bytes()),
    }
}

fn postgres_answer(random: &mut Random, at: usize) -> Vec<u8> {
    match at % 3 {
        0 => b"N".to_vec(),
        1 => framed(b'R', &[0, 0, 0, 10]),
        _ => framed(b'S', format!("server_version\0{}\0", random.word()).as_bytes()),
    }
}

fn redis(random: &mut Random, at: usize) -> Vec<u8> {
    let word = random.word();
    match at % 3 {
        0 => b"PING\r\n".to_vec(),
        1 => format!("*2\r\n$3\r\nGET\r\n${}\r\n{word}\r\n", word.len()).into_bytes(),
        _ => format!("*3\r\n$3\r\nSET\r\n${}\r\n{word}\r\n$1\r\n1\r\n", word.len()).into_bytes(),
    }
}

fn redis_answer(random: &mut Random, at: usize) -> Vec<u8> {
    let word = random.word();
    match at % 4 {
        0 => b"+PONG\r\n".to_vec(),
        1 => b"$-1\r\n".to_vec(),
        2 => format!("${}\r\n{word}\r\n", word.len()).into_bytes(),
        _ => format!("-ERR unknown command '{word}'\r\n").into_bytes(),
    }
}

fn mysql(random: &mut Random, at: usize) -> Vec<u8> {
    let body = format!("\x0a{}.{}.{}\0", 5 + at % 4, at % 10, at % 40);
    let mut bytes = vec![(body.len() + 40) as u8, 0, 0, 0];
    bytes.extend(body.bytes());
    bytes.extend(random.bytes(40));
    bytes
}

fn mqtt(random: &mut Random, at: usize) -> Vec<u8> {
    let id = random.word();
    let mut bytes =
        vec![0x10, 12 + id.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', 4 + (at % 2) as u8, 2, 0, 60];
    bytes.extend([0, id.len() as u8]);
    bytes.extend(id.bytes());
    bytes
}

fn amqp(random: &mut Random, at: usize) -> Vec<u8> {
    if at.is_multiple_of(2) {
        return [&b"AMQP"[..], &[0, 0, 9, 1]].concat();
    }
    let long = random.below(120);
    let mut bytes = vec![1, 0, 0, 0, 0, 0, long as u8, 0, 10, 0, 10 + (at % 4) as u8];
    bytes.extend(random.bytes(long));
    bytes
}

fn kafka(random: &mut Random, at: usize) -> Vec<u8> {
    let client = random.word();
    let mut body = vec![0, [0, 1, 3, 18][at % 4], 0, (at % 12) as u8];
    body.extend((random.below(1 << 20) as u32).to_be_bytes());
    body.extend((client.len() as u16).to_be_bytes());
    body.extend(client.bytes());
    let rest = random.below(80);
    body.extend(random.bytes(rest));
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn git_http(random: &mut Random, at: usize) -> Vec<u8> {
    if at.is_multiple_of(2) {
        format!(
            "GET /{}/{}.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: git.example\r\nUser-Agent: git/2.39.{at}\r\nGit-Protocol: version=2\r\n\r\n",
            random.word(), random.word()
        )
        .into_bytes()
    } else {
        format!(
            "POST /{}.git/git-upload-pack HTTP/1.1\r\nHost: git.example\r\nContent-Type: application/x-git-upload-pack-request\r\n\r\n0014command=ls-refs\n0032want {}\n",
            random.word(), random.hex(40)
        )
        .into_bytes()
    }
}

fn git(random: &mut Random, at: usize) -> Vec<u8> {
    let line = format!("git-upload-pack /{}.git\0host=git{at}.example\0", random.word());
    format!("{:04x}{line}", line.len() + 4).into_bytes()
}

fn rsync(random: &mut Random, at: usize) -> Vec<u8> {
    format!("@RSYNCD: {}.0 sha512 sha256 md5\n{}\n", 27 + at % 5, random.word()).into_bytes()
}

fn smtp(random: &mut Random, at: usize) -> Vec<u8> {
    match at % 3 {
        0 => format!("220 {}.example ESMTP Postfix\r\n", random.word()),
        1 => format!("250-{}.example\r\n250-PIPELINING\r\n250 SIZE {at}\r\n", random.word()),
        _ => format!("220 {} # ready $ \r\n", random.word()),
    }
    .into_bytes()
}

fn smtp_client(random: &mut Random, at: usize) -> Vec<u8> {
    let word = random.word();
    match at % 4 {
        0 => format!("EHLO {word}.example\r\n"),
        1 => format!("MAIL FROM:<{word}@example.org>\r\n"),
        2 => format!("{word}@example.org: # {word}\r\n"),
        _ => format!("helo {word}\r\n"),
    }
    .into_bytes()
}

fn mail(random: &mut Random, at: usize) -> Vec<u8> {
    let word = random.word();
    match at % 3 {
        0 => format!("220 (vsFTPd 3.0.{at}) {word}\r\n"),
        1 => format!("* OK [CAPABILITY IMAP4rev1] {word} ready\r\n"),
        _ => format!("+OK {word} <{at}.{word}@example.org>\r\n"),
    }
    .into_bytes()
}

fn telnet(random: &mut Random, at: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xfd, 0x18, 0xff, 0xfd, 0x20];
    bytes.extend(format!("\r\n{} {at} login: ", random.word()).bytes());
    if at.is_multiple_of(2) { bytes.split_off(6) } else { bytes }
}

fn markdown(random: &mut Random, at: usize) -> Vec<u8> {
    let word = random.word();
    match at % 6 {
        0 => format!("# {word}\n\nText of {word}.\n"),
        1 => format!("$ cargo build --{word}\n   Compiling {word}\n"),
        2 => format!("#!/bin/bash\n# {word}\necho \"$ \"\n"),
        3 => format!("# HELP {word} What it counts\n# TYPE {word} counter\n{word} {at}\n"),
        4 => format!("bash: {word}: command not found\n"),
        _ => format!("/usr/lib/{word}/{at}\n/home/{word}\n"),
    }
    .into_bytes()
}

fn tls_data(random: &mut Random, at: usize) -> Vec<u8> {
    let long = 17 + random.below(600);
    let mut bytes = vec![0x14 + (at % 4) as u8, 3, 3];
    bytes.extend((long as u16).to_be_bytes());
    bytes.extend(random.bytes(long));
    bytes
}

fn question(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.bytes(2);
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [random.word(), "example".to_owned(), "org".to_owned()] {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn dns_tcp(random: &mut Random, _at: usize) -> Vec<u8> {
    let body = question(random);
    let mut bytes = (body.len() as u16).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn mdns(random: &mut Random, at: usize) -> Vec<u8> {
    let mut bytes = question(random);
    bytes[0] = 0;
    bytes[1] = 0;
    bytes[2] = if at.is_multiple_of(2) { 0 } else { 0x84 };
    bytes
}

fn ntp(random: &mut Random, at: usize) -> Vec<u8> {
    let mut bytes = vec![[0x1b, 0x23, 0x24, 0xe3][at % 4], (at % 3) as u8, 6, 0xec];
    bytes.extend(random.bytes(44));
    bytes
}

fn stun(random: &mut Random, at: usize) -> Vec<u8> {
    let long = 4 * random.below(16);
    let mut bytes = vec![(at % 2) as u8, 1, 0, long as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend(random.bytes(12 + long));
    bytes
}

fn quic(random: &mut Random, at: usize) -> Vec<u8> {
    let mut bytes = vec![0xc0 | (at % 16) as u8, 0, 0, 0, 1, 8];
    bytes.extend(random.bytes(600));
    bytes
}

fn wireguard(random: &mut Random, at: usize) -> Vec<u8> {
    let (kind, long) = [(1u8, 148), (2, 92), (3, 64), (4, 96)][at % 4];
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(random.bytes(long - 4));
    bytes
}
