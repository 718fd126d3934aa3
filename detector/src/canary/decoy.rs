//! What decoys hold: files that look real, open nothing, and are unlike any other.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use super::Kind;
use super::token::{ADDRESS, AWS_ID, AWS_SECRET, HEX_40, HEX_64, KEY_LINE, PASSWORD, Shape};

/// Characters in a line of an OpenSSH key.
const SSH_LINE: usize = 70;
/// Where the secret's own characters begin in the text of an OpenSSH key of Ed25519: 6 into the fourth line.
const SSH_SECRET: usize = 3 * SSH_LINE + 6;
/// Bytes of a page of a wallet.
const PAGE: usize = 4096;

/// Random bytes, from the kernel.
#[derive(Debug)]
pub struct Random(File);

impl Random {
    /// Opens the source.
    ///
    /// # Errors
    /// `/dev/urandom` is not there.
    pub fn open() -> io::Result<Self> {
        File::open("/dev/urandom").map(Self)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn token(&mut self, shape: Shape) -> io::Result<String> {
        let random: [u8; 64] = self.bytes()?;
        Ok(shape.token(random.into_iter().take(shape.random())))
    }

    fn hex<const N: usize>(&mut self) -> io::Result<String> {
        Ok(self.bytes::<N>()?.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The content of a decoy of this kind at this path. Its tokens are found by [`super::token::find`].
///
/// # Errors
/// No random bytes are to be had.
pub fn content(kind: Kind, path: &Path, random: &mut Random) -> io::Result<Vec<u8>> {
    let text = match kind {
        Kind::Aws => format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = eu-central-1\n",
            random.token(AWS_ID)?,
            random.token(AWS_SECRET)?
        ),
        Kind::Ssh => ssh(random)?,
        Kind::Wallet if path.file_name().is_some_and(|name| name == "wallet.dat") => return wallet(random),
        Kind::Wallet => keystore(random)?,
        Kind::Env => format!(
            "APP_ENV=production\nDATABASE_URL=postgres://app:{}@db-prod-1.internal:5432/app\nSECRET_KEY_BASE={}\n",
            random.token(PASSWORD)?,
            random.token(HEX_64)?
        ),
        Kind::Kubeconfig => kubeconfig(random)?,
        Kind::Gcloud => gcloud(random)?,
        Kind::File => format!(
            "# accounts, do not share\nrouter   admin    {}\nbackup   root     {}\nmail     postmaster {}\n",
            random.token(PASSWORD)?,
            random.token(PASSWORD)?,
            random.token(PASSWORD)?
        ),
    };
    Ok(text.into_bytes())
}

/// A private key of Ed25519 in OpenSSH's format (PROTOCOL.key), of random bytes: nobody authorised it.
fn ssh(random: &mut Random) -> io::Result<String> {
    let public: [u8; 32] = random.bytes()?;
    let secret: [u8; 32] = random.bytes()?;
    let check: [u8; 4] = random.bytes()?;
    let kind = b"ssh-ed25519".as_slice();
    let pair = [secret, public].concat();
    let mut private = [check, check].concat();
    for part in [kind, &public, &pair, b"deploy@build-01"] {
        string(&mut private, part);
    }
    let mut padding = 1..;
    while !private.len().is_multiple_of(8) {
        private.extend(padding.next());
    }
    let mut blob = Vec::new();
    string(&mut blob, kind);
    string(&mut blob, &public);
    let mut bytes = b"openssh-key-v1\0".to_vec();
    for part in [b"none".as_slice(), b"none", b""] {
        string(&mut bytes, part);
    }
    bytes.extend(1_u32.to_be_bytes());
    string(&mut bytes, &blob);
    string(&mut bytes, &private);
    let mut text = BASE64_STANDARD.encode(bytes);
    let token = random.token(KEY_LINE)?;
    text.replace_range(SSH_SECRET..SSH_SECRET + token.len(), &token);
    let mut out = "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(SSH_LINE) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    Ok(out + "-----END OPENSSH PRIVATE KEY-----\n")
}

fn string(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

/// What begins like a Berkeley DB of Bitcoin Core, with records of an encrypted wallet.
fn wallet(random: &mut Random) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 12];
    bytes.extend(0x0005_3162_u32.to_le_bytes());
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(4096_u32.to_le_bytes());
    bytes.resize(PAGE, 0);
    bytes.extend_from_slice(b"\x0e\x00main\x00\x07version\x01\x04mkey\x01");
    bytes.extend(random.bytes::<84>()?);
    for label in [b"\x07savings".as_slice(), b"\x04cold", b"\x00"] {
        let address = random.token(ADDRESS)?;
        bytes.extend_from_slice(b"\x04name");
        bytes.push(u8::try_from(address.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(address.as_bytes());
        bytes.extend_from_slice(label);
        bytes.extend_from_slice(b"\x04ckey\x21");
        bytes.extend(random.bytes::<81>()?);
    }
    bytes.resize(3 * PAGE, 0);
    Ok(bytes)
}

/// An Ethereum keystore (Web3 Secret Storage, version 3).
fn keystore(random: &mut Random) -> io::Result<String> {
    let id = random.hex::<16>()?;
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    let id = format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
    let file = json!({
        "address": random.token(HEX_40)?,
        "crypto": {
            "cipher": "aes-128-ctr",
            "ciphertext": random.token(HEX_64)?,
            "cipherparams": { "iv": random.hex::<16>()? },
            "kdf": "scrypt",
            "kdfparams": { "dklen": 32, "n": 262_144, "p": 1, "r": 8, "salt": random.hex::<32>()? },
            "mac": random.token(HEX_64)?,
        },
        "id": id,
        "version": 3,
    });
    Ok(file.to_string())
}

fn kubeconfig(random: &mut Random) -> io::Result<String> {
    Ok(format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster:\n    server: \
         https://kube-prod.internal:6443\n    insecure-skip-tls-verify: true\nusers:\n- name: admin\n  user:\n    \
         token: {}\ncontexts:\n- name: prod\n  context:\n    cluster: prod\n    user: admin\ncurrent-context: prod\n",
        random.token(HEX_64)?
    ))
}

/// The key file of a service account.
fn gcloud(random: &mut Random) -> io::Result<String> {
    let mut key = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for _ in 0..25 {
        key += &BASE64_STANDARD.encode(random.bytes::<48>()?);
        key.push('\n');
    }
    key += "-----END PRIVATE KEY-----\n";
    let file = json!({
        "type": "service_account",
        "project_id": "prod-billing",
        "private_key_id": random.token(HEX_40)?,
        "private_key": key,
        "client_email": "backup@prod-billing.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    serde_json::to_string_pretty(&file).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::token;

    const KINDS: [Kind; 7] =
        [Kind::Aws, Kind::Ssh, Kind::Wallet, Kind::Env, Kind::Kubeconfig, Kind::Gcloud, Kind::File];

    #[test]
    fn every_kind_holds_tokens_of_its_own() {
        let mut random = Random::open().unwrap();
        for kind in KINDS {
            for path in ["/root/wallet.dat", "/root/UTC--2023"] {
                let mut made = || token::find(&content(kind, Path::new(path), &mut random).unwrap());
                let (one, other) = (made(), made());
                assert!(!one.is_empty(), "{kind:?}");
                assert!(one.iter().all(|token| !other.contains(token)), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_key_has_the_form_that_openssh_writes() {
        let text = ssh(&mut Random::open().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN OPENSSH PRIVATE KEY-----");
        let body = lines[1..lines.len() - 1].concat();
        let bytes = BASE64_STANDARD.decode(body).unwrap();
        assert!(bytes.starts_with(b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01"));
        // The token is inside the secret: what else there is was not touched.
        assert_eq!(&bytes[125..157], &bytes[62..94]);
        assert_eq!(&bytes[193..225], &bytes[62..94]);
    }
}
