//! A corpus of secrets, made as the test runs, and one of lines that hold none.

use super::pattern::PATTERNS;
use super::*;

const BENIGN: &str = include_str!("benign.txt");

/// Characters that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn letters(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count)
            .map(|_| {
                self.0 =
                    self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                alphabet[usize::try_from(self.0 >> 33).unwrap() % alphabet.len()]
            })
            .collect()
    }

    /// `ghp_{an:36}` with characters in place of what is in braces.
    fn fill(&mut self, template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let (inner, after) = behind.split_once('}').unwrap();
            out.push_str(before);
            let (set, count) = inner.split_once(':').unwrap();
            let (upper, lower, digits) =
                ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789");
            let alphabet = match set {
                "an" | "mix" => format!("{upper}{lower}{digits}"),
                "al" => format!("{upper}{lower}"),
                "lo" => format!("{lower}{digits}"),
                "up" => format!("{upper}{digits}"),
                "b32" => format!("{upper}234567"),
                "hex" => "0123456789abcdef".to_owned(),
                "b64" => format!("{upper}{lower}{digits}+/"),
                "url" => format!("{upper}{lower}{digits}-_"),
                "b58" => "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".to_owned(),
                "bech" => "qpzry9x8gf2tvdw0s3jn54khce6mua7l".to_owned(),
                "num" => digits.to_owned(),
                other => panic!("no such set: {other}"),
            };
            out.push_str(&self.letters(&alphabet, count.parse().unwrap()));
            rest = after;
        }
        out + rest
    }
}

#[test]
fn every_pattern_can_be_read_and_finds_its_example() {
    let mut chance = Chance(7);
    assert!(PATTERNS.all.len() > 80);
    for (at, pattern) in PATTERNS.all.iter().enumerate() {
        let pattern::Pattern { id, what, regex: _, keywords, least: _, source, example } = pattern;
        assert!(!what.is_empty() && source.starts_with("https://") && !keywords.is_empty(), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        assert!(PATTERNS.regex(at).is_some(), "{id}: {:?}", regex::Regex::new(&pattern.regex));
        let example = chance.fill(example);
        let clean = text(&example);
        assert!(clean.contains(&format!("[redacted:{id}]")), "{id}: {example} became {clean}");
    }
}

/// Lines with a secret between `«` and `»`.
const NAMED: &[&str] = &[
    "export DB_PASSWORD=«{an:12}»",
    "DB_PASSWORD='«two words {an:4}»' ./run",
    "env PGPASSWORD=«{lo:8}» psql -h db",
    "MYSQL_PWD=«{lo:10}» mysqldump app",
    "REDISCLI_AUTH=«{an:20}» redis-cli ping",
    "AWS_SECRET_ACCESS_KEY=«{b64:40}» aws s3 ls",
    "AWS_SESSION_TOKEN=«{b64:200}» aws s3 ls",
    "export OPENAI_API_KEY=\"«{an:32}»\"",
    "export HF_TOKEN=«hf_{al:34}»",
    "WANDB_API_KEY=«{hex:40}» python train.py",
    "GITHUB_TOKEN=«{hex:40}» gh api /user",
    "set SECRET_KEY=«{an:50}»",
    "SECRET_KEY_BASE=«{hex:128}»",
    "JWT_SECRET=«{lo:16}»",
    "client_secret=«{an:32}»&grant_type=client_credentials",
    "app --password «{lo:9}»",
    "app --password=«{lo:9}»",
    "app --passwd «correct-horse-{num:2}»",
    "app --token «{an:24}» --verbose",
    "app --token=«{an:24}»",
    "app --api-key «{an:24}»",
    "app --api-key=«{an:24}»",
    "app --apikey=«{an:24}»",
    "app --secret «{an:24}»",
    "app --client-secret=«{an:24}»",
    "app --access-token=«{an:40}»",
    "app --auth-token «{an:40}»",
    "app -password «{an:10}»",
    "app --private-key «0x{hex:64}»",
    "PRIVATE_KEY=«{hex:64}» node deploy.js",
    "wallet_private_key: \"«{hex:64}»\"",
    "{\"password\": \"«{an:10}»\"}",
    "{\"user\":\"me\",\"password\":\"«{an:10}»\"}",
    "{\\\"api_key\\\": \\\"«{an:24}»\\\"}",
    "{'token': '«{an:24}»'}",
    "password: «{an:10}»",
    "db_password: '«{an:10}»'",
    "apiToken: «{an:30}»",
    "password = \"«{an:10}»\"",
    "password := \"«{an:10}»\"",
    "'password' => '«{an:10}»',",
    "if password == \"«{an:10}»\":",
    "python -c \"client = OpenAI(api_key='«{an:30}»')\"",
    "python -c \"login(token='«{an:30}»')\"",
    "requests.get(url, auth=('me', 'x'), headers={'Authorization': 'Bearer «{an:30}»'})",
    "curl -H 'Authorization: Bearer «{an:40}»' https://api.example.com",
    "curl -H \"Authorization: Basic «{b64:24}==»\" https://api.example.com",
    "curl -H 'Authorization: token «{hex:40}»' https://api.github.com",
    "curl -H 'Proxy-Authorization: Basic «{b64:24}»' https://a.example",
    "curl -H 'X-Api-Key: «{an:32}»' https://a.example",
    "curl -H 'PRIVATE-TOKEN: «{an:20}»' https://gitlab.example/api",
    "curl -H 'X-Vault-Token: «{an:26}»' http://vault:8200",
    "curl -b 'Cookie: «session={an:32}»' https://a.example",
    "Set-Cookie: «sid={an:32}; HttpOnly»",
    "curl -u me:«{an:10}» https://a.example",
    "curl -ume:«{an:10}» https://a.example",
    "curl --user 'me:«{an:10}»' https://a.example",
    "curl --proxy-user me:«{an:10}» https://a.example",
    "curl https://me:«{an:10}»@a.example/x",
    "git clone https://oauth2:«{an:20}»@gitlab.example/a/b.git",
    "git clone https://x-access-token:«{hex:40}»@github.com/a/b.git",
    "pip install --index-url https://ci:«{an:16}»@pypi.example/simple x",
    "psql postgresql://app:«{an:12}»@db.internal:5432/app",
    "mongosh 'mongodb+srv://app:«p@ss{num:3}»@cluster.example/app'",
    "celery -b amqp://app:«{an:12}»@mq:5672//",
    "redis-cli -u redis://:«{an:12}»@cache:6379",
    "app --dsn 'root:«{an:12}»@tcp(10.0.0.5:3306)/app'",
    "Server=db;Database=a;User Id=sa;Password=«{an:12}»;Encrypt=true",
    "jdbc:mysql://db/app?user=a&password=«{an:12}»",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=«{b64:86}==»",
    "https://a.example/cb?access_token=«{an:40}»&state=1",
    "https://a.example/v1?api_key=«{an:32}»",
    "https://a.example/f?X-Amz-Signature=«{hex:64}»",
    "sshpass -p «{an:10}» ssh root@10.0.0.5",
    "sshpass -p«{an:10}» ssh root@10.0.0.5",
    "sshpass -p '«{an:10}»' scp f root@10.0.0.5:",
    "mysql -uroot -p«{an:10}» app",
    "sh -c 'mysql -u root -p«{an:10}» -e \"show tables\"'",
    "cd /srv && mysqldump -u root -p«{an:10}» app > dump.sql",
    "redis-cli -h cache -a «{an:16}» ping",
    "mongosh -u root -p «{an:16}» --host db",
    "docker login -u me -p «{an:20}» registry.example",
    "helm registry login -u me -p «{an:20}» registry.example",
    "az login --service-principal -u app -p «{an:34}» --tenant t",
    "skopeo copy --src-creds me:«{an:12}» docker://a docker://b",
    "ldapsearch -D cn=admin -w «{an:10}» -b dc=example",
    "smbclient //srv/share -U me%«{an:10}»",
    "sqlcmd -S db -U sa -P «{an:10}»",
    "unzip -P «{an:10}» a.zip",
    "7z a -p«{an:10}» a.7z dir",
    "openssl enc -aes-256-cbc -pass pass:«{an:10}» -in f",
    "openssl rsa -in k.pem -passin 'pass:«{an:10}»'",
    "gpg --batch --passphrase «{an:10}» -d f.gpg",
    "keytool -list -storepass «{an:10}» -keystore k.jks",
    "ipmitool -H bmc -U admin -P «{an:10}» power status",
    "evil-winrm -i 10.0.0.5 -u admin -p «{an:10}»",
    "lftp -u me,«{an:10}» ftp.example",
    "vault login «{an:26}»",
    "ngrok config add-authtoken «{an:49}»",
    "wandb login «{hex:40}»",
    "nmcli dev wifi connect home password «{an:12}»",
    "xfreerdp /v:10.0.0.5 /u:me /p:«{an:10}»",
    "aws configure set aws_secret_access_key «{b64:40}»",
    "npm config set //registry.npmjs.org/:_authToken «{an:36}»",
    "//registry.npmjs.org/:_authToken=«{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}»",
    "machine api.example login me password «{an:12}»",
    "echo «{an:10}» | sudo -S apt-get install x",
    "echo 'root:«{an:10}»' | chpasswd",
    "echo «{an:10}» | passwd --stdin root",
    "useradd -m -p «$6${an:16}${an:86}» x",
    "seed phrase: «legal winner thank year wave sausage worth useful legal winner thank yellow»",
    "restore «abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about»",
    "mnemonic=\"«zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong»\"",
    "the key is «k{an:20}9Zq8{an:20}» here",
    "send «{b64:40}Aa1Bb2» to me",
    "<token>«x{an:15}7Rt5{an:25}»</token>",
    "tailscale up --authkey=«tskey-auth-{an:17}-{an:32}»",
    "telnet bot«1{num:9}:AA{url:33}»",
    "KEY=«{an:8}1a{an:30}2B{an:8}»",
    "auth: «{an:8}1a{an:30}2B{an:8}»",
    "cookie_secret=«{an:24}»",
    "WEBHOOK_SECRET=«whsec_{an:32}»",
    "TELEGRAM_BOT_TOKEN=«1{num:9}:AA{url:33}»",
    "DATABASE_URL=postgres://u:«{an:16}»@h/d",
];

/// A sample and the secrets in it.
fn sample(chance: &mut Chance, template: &str) -> (String, Vec<String>) {
    // The template of a password hash has a dollar before its braces.
    let filled =
        chance.fill(&template.replace("{\"", "\u{1}\"").replace("{'", "\u{1}'").replace("{\\", "\u{1}\\"));
    let filled = filled.replace('\u{1}', "{");
    let mut secrets = Vec::new();
    for part in filled.split('«').skip(1) {
        secrets.push(part.split('»').next().unwrap().to_owned());
    }
    (filled.replace(['«', '»'], ""), secrets)
}

#[test]
fn secrets_are_gone_and_nothing_of_the_rest_is() {
    let mut chance = Chance(1);
    let mut failures = Vec::new();
    let mut count = 0;
    for template in NAMED {
        let (line, secrets) = sample(&mut chance, template);
        assert!(!secrets.is_empty(), "{template}");
        count += secrets.len();
        let clean = text(&line).into_owned();
        for secret in secrets {
            if clean.contains(&secret) || clean.contains(secret.get(..8).unwrap_or(&secret)) {
                failures.push(format!("{line}  =>  {clean}"));
            }
        }
        // What stands before the secret is still there.
        let before = line.split(' ').next().unwrap();
        if !before.contains(['=', ':', '"', '/', '\'']) && !clean.starts_with(before) {
            failures.push(format!("too much: {line}  =>  {clean}"));
        }
        if text(&clean) != clean {
            failures.push(format!("twice: {clean}  =>  {}", text(&clean)));
        }
    }
    for pattern in &PATTERNS.all {
        count += 1;
        let secret = chance.fill(&pattern.example);
        for line in [format!("run {secret} now"), format!("export X='{secret}'")] {
            let clean = text(&line).into_owned();
            if !clean.contains(&format!("[redacted:{}]", pattern.id)) {
                failures.push(format!("{}: {line}  =>  {clean}", pattern.id));
            }
        }
    }
    println!("{count} secrets, {} found", count - failures.len());
    assert!(count >= 150);
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_no_secret_stays() {
    let mut lines = 0;
    let mut failures = Vec::new();
    for line in BENIGN.lines().filter(|line| !line.is_empty()) {
        lines += 1;
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        argv(&mut words);
        for clean in [text(line).into_owned(), words.join(" ")] {
            if clean != line {
                failures.push(format!("{line}  =>  {clean}"));
            }
        }
    }
    println!("{lines} lines without secrets, {} false", failures.len());
    assert!(lines >= 300, "{lines}");
    assert!(failures.is_empty(), "{} of {lines}:\n{}", failures.len(), failures.join("\n"));
}

fn redacted(arguments: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    argv(&mut out);
    out
}

#[test]
fn an_option_takes_its_value_from_the_next_argument() {
    assert_eq!(
        redacted(&["app", "--password", "two words", "-v"]),
        ["app", "--password", "[redacted:password]", "-v"]
    );
    assert_eq!(
        redacted(&["sshpass", "-p", "a b", "ssh", "h"]),
        ["sshpass", "-p", "[redacted:password]", "ssh", "h"]
    );
    assert_eq!(
        redacted(&["/usr/bin/mysql", "-phunter2", "db"]),
        ["/usr/bin/mysql", "-p[redacted:password]", "db"]
    );
    assert_eq!(redacted(&["curl", "-u", "me:ab cd", "h"])[2], "me:[redacted:password]");
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let spread: Vec<&str> = std::iter::once("restore").chain(words.split(' ')).collect();
    let clean = redacted(&spread);
    assert!(clean[1..].iter().all(|word| word == "[redacted:seed-phrase]"), "{clean:?}");
}

#[test]
fn a_private_key_goes_as_a_whole() {
    let name = "PRIVATE KEY";
    let key = format!("a\n-----BEGIN OPENSSH {name}-----\nAAAA\nBBBB\n-----END OPENSSH {name}-----\nb");
    assert_eq!(text(&key), "a\n[redacted:private-key]\nb");
    let open = format!("a -----BEGIN RSA {name}-----\nAAAA…");
    assert_eq!(text(&open), "a [redacted:private-key]");
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
    assert_eq!(text(public), public);
}

#[test]
fn a_secret_whose_end_is_cut_off_is_still_one() {
    for (line, clean) in [
        ("run ghp_abcdEFGH12…", "run [redacted:github-token]…"),
        ("run AKIAQWERTY…", "run [redacted:aws-access-key]…"),
        ("--password hunt…", "--password [redacted:password]…"),
    ] {
        assert_eq!(text(line), clean);
    }
}

#[test]
fn hostile_text_takes_bounded_time() {
    let parts = [
        "a",
        "=",
        ":",
        "\"",
        "token=",
        "password ",
        "://",
        "://a:",
        "eyJ",
        "eyJa.",
        "-----BEGIN ",
        "ghp_",
        "AKIA",
        "mysql -p",
        "curl -u ",
        "Authorization: ",
        "Bearer ",
        "abandon ",
        "é",
        "…",
        "A",
        "Aa1",
        "echo ",
        "aws key ",
        "login a password ",
        "SK",
        ".",
        "MAAAAAAAAAAAAAAAAAAAAAAAA.",
        "'",
        "set ",
        "-",
        "_",
        "key-",
        "cookie: a=",
        "x-api-key:",
        " ",
        "\\\"",
        "secret:'",
    ];
    let limit = std::time::Duration::from_secs(10);
    for part in parts {
        let hostile = part.repeat(65_536 / part.len());
        let began = std::time::Instant::now();
        let clean = text(&hostile);
        let took = began.elapsed();
        assert!(took < limit, "{part:?}: {took:?}");
        assert!(clean.len() < 20 * 65_536, "{part:?}");
        println!("{:>8.1} ms  {part:?}", took.as_secs_f64() * 1e3);
    }
}

#[test]
fn every_text_of_an_alert_is_clean() {
    let secret = format!("gh{}_{}", "p", Chance(3).letters("abcdefghijABCDEFGHIJ0123456789", 36));
    let mut one = crate::sinks::human::tests::alert();
    let line = format!("curl https://me:{secret}@host/ --token {secret}");
    one.summary.clone_from(&line);
    one.counter_evidence = vec![line.clone()];
    let process = one.process.as_mut().unwrap();
    process.argv = vec!["app".to_owned(), "--token".to_owned(), secret.clone()];
    process.ancestors[0].command_line.clone_from(&line);
    one.evidence[0].text.clone_from(&line);
    one.evidence[0].fields.insert("ChangeAdded".to_owned(), serde_json::json!([line, ["x", {"a": line}]]));
    one.evidence[0].fields.insert("StratumLogin".to_owned(), serde_json::json!("wallet.rig"));
    one.subject = Some(std::sync::Arc::new(indexmap::IndexMap::from_iter([
        ("Args".to_owned(), serde_json::json!(["app", "--token", secret])),
        ("CommandLine".to_owned(), serde_json::json!(line)),
    ])));
    let began = std::time::Instant::now();
    alert(&mut one);
    println!("a typical alert: {:?}", began.elapsed());
    let clean = format!("{one:?}");
    assert!(!clean.contains(&secret) && clean.contains("[redacted:github-token]"), "{clean}");
    assert_eq!(one.evidence[0].fields["StratumLogin"], "wallet.rig");
    let once = one.clone();
    let began = std::time::Instant::now();
    alert(&mut one);
    println!("again: {:?}", began.elapsed());
    assert_eq!(one, once);
    one.process.as_mut().unwrap().argv = vec!["é=token ".repeat(7_281)];
    one.subject = Some(std::sync::Arc::new(indexmap::IndexMap::from_iter([(
        "Args".to_owned(),
        serde_json::json!(["--password x ".repeat(600), "mysql -px ".repeat(819)]),
    )])));
    let began = std::time::Instant::now();
    alert(&mut one);
    println!("64 KiB of arguments: {:?}", began.elapsed());
}
