//! Every mining dialect as data: what a miner says, word for word and key for key, and what a pool answers.
//!
//! After the public sources: xmrig (`Client.cpp`), xmr-stak (`jpsock.cpp`), cgminer and cpuminer (`util.c`,
//! `cpu-miner.c`), ethminer (`EthStratumClient.cpp`), EIP-1571, NiceHash's specifications, the Stratum V2
//! specification. Wallets are donation addresses and test vectors that their owners published.

use super::framing::Framing;

/// A dialect: its name, how messages are told apart, the talk from login to the share that was accepted.
pub(super) struct Dialect {
    pub(super) name: &'static str,
    pub(super) framing: Framing,
    pub(super) talk: &'static [Exchange],
}

/// One message of a miner and what the pool sends for it.
pub(super) struct Exchange {
    pub(super) step: Step,
    pub(super) say: &'static [u8],
    pub(super) hear: &'static [&'static [u8]],
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Before there is work.
    Login,
    /// A share.
    Submit,
    /// Said again and again.
    Keepalive,
}

/// The dialect of this name.
pub(super) fn named(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}

/// XMRig's donation address (`donate.h`).
macro_rules! monero {
    () => {
        "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD"
    };
}
/// The first block's address.
macro_rules! bitcoin {
    () => {
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    };
}
/// A test vector of EIP-55.
macro_rules! ethereum {
    () => {
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    };
}
/// 32 bytes that look like a hash.
macro_rules! hash {
    () => {
        "a3f1b2c4d5e6978812345678deadbeefcafebabe0123456789abcdef00ff11ee"
    };
}
/// A block template of Monero, 76 bytes.
macro_rules! blob {
    () => {
        concat!("1010b4a1e5b506", hash!(), "00000000", hash!(), "0a")
    };
}
macro_rules! monero_job {
    () => {
        concat!(
            r#"{"blob":""#,
            blob!(),
            r#"","job_id":"q7PLUPL25UV0z5Ij14IyMk8htXbj","target":"b88d0600","#,
            r#""algo":"rx/0","height":3195600,"seed_hash":""#,
            hash!(),
            r#""}"#
        )
    };
}

macro_rules! login {
    ($say:expr, $($hear:expr),*) => {
        Exchange { step: Step::Login, say: $say.as_bytes(), hear: &[$($hear.as_bytes()),*] }
    };
}
macro_rules! submit {
    ($say:expr, $($hear:expr),*) => {
        Exchange { step: Step::Submit, say: $say.as_bytes(), hear: &[$($hear.as_bytes()),*] }
    };
}
macro_rules! keepalive {
    ($say:expr, $($hear:expr),*) => {
        Exchange { step: Step::Keepalive, say: $say.as_bytes(), hear: &[$($hear.as_bytes()),*] }
    };
}

pub(super) const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "cryptonote",
        framing: Framing::Line,
        talk: &[
            login!(
                concat!(
                    r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":""#, monero!(),
                    r#"","pass":"x","agent":"XMRig/6.26.0 (Linux x86_64) libuv/1.51.0 gcc/13.2.1","#,
                    r#""algo":["rx/0","cn/2","cn/r","cn/fast","cn/half","cn/xao","cn/rto","cn/rwz","argon2/chukwa"]}}"#
                ),
                concat!(
                    r#"{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"5f1a7c02","job":"#, monero_job!(),
                    r#","extensions":["algo","nicehash","connect","keepalive","tls"],"status":"OK"}}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"id":2,"jsonrpc":"2.0","method":"submit","params":{"id":"5f1a7c02","#,
                    r#""job_id":"q7PLUPL25UV0z5Ij14IyMk8htXbj","nonce":"d0030040","result":""#, hash!(),
                    r#"","algo":"rx/0"}}"#
                ),
                r#"{"id":2,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}"#,
                concat!(r#"{"jsonrpc":"2.0","method":"job","params":"#, monero_job!(), "}")
            ),
            keepalive!(
                r#"{"id":3,"jsonrpc":"2.0","method":"keepalived","params":{"id":"5f1a7c02"}}"#,
                r#"{"id":3,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}"#
            ),
        ],
    },
    Dialect {
        name: "xmr-stak",
        framing: Framing::Line,
        talk: &[
            login!(
                concat!(
                    r#"{"method":"login","params":{"login":""#, monero!(),
                    r#"","pass":"x","rigid":"","agent":"xmr-stak/2.10.8/752fd1e7e/master/lin/cpu/aeon-cryptonight-monero/20"},"id":1}"#
                ),
                concat!(
                    r#"{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"77a1","job":"#, monero_job!(),
                    r#","status":"OK"}}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"method":"submit","params":{"id":"77a1","job_id":"q7PLUPL25UV0z5Ij14IyMk8htXbj","#,
                    r#""nonce":"9a020000","result":""#, hash!(), r#""},"id":1}"#
                ),
                r#"{"id":1,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}"#
            ),
        ],
    },
    Dialect {
        name: "bitcoin",
        framing: Framing::Line,
        talk: &[
            login!(
                r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}"#,
                r#"{"id":1,"result":[[["mining.set_difficulty","731ec5e0649606ff"],["mining.notify","731ec5e0649606ff"]],"e9695791",4],"error":null}"#
            ),
            login!(
                concat!(r#"{"id": 2, "method": "mining.authorize", "params": [""#, bitcoin!(), r#".rig1", "x"]}"#),
                r#"{"id":2,"result":true,"error":null}"#,
                r#"{"id":null,"method":"mining.set_difficulty","params":[512]}"#,
                concat!(
                    r#"{"id":null,"method":"mining.notify","params":["58af8d8c",""#, hash!(),
                    r#"","01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0a","#,
                    r#""0bffffffff0100f2052a01000000",[""#, hash!(), r#""],"20000000","1903a30c","6553f100",true]}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"id": 4, "method": "mining.submit", "params": [""#, bitcoin!(),
                    r#".rig1", "58af8d8c", "00000001", "6553f100", "b2957c02"]}"#
                ),
                r#"{"id":4,"result":true,"error":null}"#
            ),
        ],
    },
    Dialect {
        name: "bitcoin-method-last",
        framing: Framing::Line,
        talk: &[
            login!(
                r#"{"params": ["cgminer/4.12.1"], "id": 0, "method": "mining.subscribe"}"#,
                r#"{"error":null,"id":0,"result":[[["mining.notify","ae6812eb4cd7735a302a8a9dd95cf71f"]],"08000002",4]}"#
            ),
            login!(
                concat!(r#"{"params": [""#, bitcoin!(), r#"", "x"], "id": 2, "method": "mining.authorize"}"#),
                r#"{"error":null,"id":2,"result":true}"#,
                concat!(
                    r#"{"params":["bf",""#, hash!(), r#"","01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20","#,
                    r#""072f736c7573682f000000000100f2052a010000001976a914",[],"00000002","1c2ac4af","504e86b9",false],"id":null,"method":"mining.notify"}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"params": [""#, bitcoin!(), r#"", "bf", "00000001", "504e86ed", "b2957c02"], "id": 5, "method": "mining.submit"}"#
                ),
                r#"{"error":null,"id":5,"result":true}"#
            ),
        ],
    },
    Dialect {
        name: "ethereumstratum1",
        framing: Framing::Line,
        talk: &[
            login!(
                r#"{"id": 1, "method": "mining.subscribe", "params": ["ethminer/0.19.0", "EthereumStratum/1.0.0"]}"#,
                r#"{"id":1,"result":[["mining.notify","ae6812eb4cd7735a302a8a9dd95cf71f","EthereumStratum/1.0.0"],"080c"],"error":null}"#
            ),
            login!(
                concat!(r#"{"id": 2, "method": "mining.authorize", "params": [""#, ethereum!(), r#".rig1", "x"]}"#),
                r#"{"id":2,"result":true,"error":null}"#,
                r#"{"id":null,"method":"mining.set_difficulty","params":[0.5]}"#,
                concat!(
                    r#"{"id":null,"method":"mining.notify","params":["bf0488aa",""#, hash!(), r#"",""#, hash!(), r#"",true]}"#
                )
            ),
            submit!(
                concat!(r#"{"id": 244, "method": "mining.submit", "params": [""#, ethereum!(), r#".rig1", "bf0488aa", "6a909d9bbc0f"]}"#),
                r#"{"id":244,"result":true,"error":null}"#
            ),
        ],
    },
    Dialect {
        name: "ethereumstratum2",
        framing: Framing::Line,
        talk: &[
            login!(
                r#"{"id":0,"method":"mining.hello","params":{"agent":"ethminer-0.19","host":"pool.example","port":"4d2","proto":"EthereumStratum/2.0.0"}}"#,
                r#"{"id":0,"result":{"proto":"EthereumStratum/2.0.0","encoding":"plain","resume":"0","timeout":"b4","maxerrors":"5","node":"Geth/v1.8.21-unstable-f0998415/linux-amd64/go1.11.3"}}"#
            ),
            login!(
                r#"{"id":1,"method":"mining.subscribe"}"#,
                r#"{"id":1,"result":"s-12345"}"#
            ),
            login!(
                concat!(r#"{"id":2,"method":"mining.authorize","params":[""#, ethereum!(), r#".rig1","password"]}"#),
                r#"{"id":2,"result":"w-123"}"#,
                r#"{"method":"mining.set","params":{"epoch":"dc","target":"0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba","algo":"ethash","extranonce":"af4c"}}"#,
                concat!(r#"{"method":"mining.notify","params":["bf0488aa","6526d5",""#, hash!(), r#"","0"]}"#)
            ),
            submit!(
                r#"{"id":31,"method":"mining.submit","params":["bf0488aa","68765fccd712","w-123"]}"#,
                r#"{"id":31,"result":true}"#
            ),
            keepalive!(r#"{"id":50,"method":"mining.noop"}"#,),
        ],
    },
    Dialect {
        name: "ethproxy",
        framing: Framing::Line,
        talk: &[
            login!(
                concat!(
                    r#"{"id":1,"method":"eth_submitLogin","params":[""#, ethereum!(), r#""],"worker":"rig1"}"#
                ),
                r#"{"id":1,"jsonrpc":"2.0","result":true}"#
            ),
            login!(
                r#"{"id":5,"method":"eth_getWork","params":[]}"#,
                concat!(
                    r#"{"id":0,"jsonrpc":"2.0","result":["0x"#, hash!(), r#"","0x"#, hash!(),
                    r#"","0x0000000112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba","0x6526d5"]}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"id":40,"method":"eth_submitWork","params":["0x68765fccd712b2af","0x"#, hash!(), r#"","0x"#, hash!(),
                    r#""],"worker":"rig1"}"#
                ),
                r#"{"id":40,"jsonrpc":"2.0","result":true}"#
            ),
            keepalive!(
                concat!(
                    r#"{"id":9,"method":"eth_submitHashrate","params":["0x0000000000000000000000000000000000000000000000000000000000500000","0x"#,
                    hash!(), r#""],"worker":"rig1"}"#
                ),
                r#"{"id":9,"jsonrpc":"2.0","result":true}"#
            ),
        ],
    },
    Dialect {
        name: "grin",
        framing: Framing::Line,
        talk: &[
            login!(
                concat!(
                    r#"{"id":"0","jsonrpc":"2.0","method":"login","params":{"login":""#, bitcoin!(),
                    r#".rig1","pass":"x","agent":"grin-miner"}}"#
                ),
                r#"{"id":"0","jsonrpc":"2.0","method":"login","result":"ok","error":null}"#
            ),
            login!(
                r#"{"id":"0","jsonrpc":"2.0","method":"getjobtemplate","params":null}"#,
                concat!(
                    r#"{"id":"0","jsonrpc":"2.0","method":"getjobtemplate","result":{"difficulty":1,"height":16375,"job_id":5,"pre_pow":""#,
                    hash!(), hash!(), r#""},"error":null}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"id":"0","jsonrpc":"2.0","method":"submit","params":{"edge_bits":29,"height":16375,"job_id":5,"nonce":8895699060858340771,"#,
                    r#""pow":[4210040,10141596,13269632,24291934,28079062,84254573,84493890,100560174,100657333,120128285,130518226,140371663]}}"#
                ),
                r#"{"id":"0","jsonrpc":"2.0","method":"submit","result":"ok","error":null}"#
            ),
            keepalive!(
                r#"{"id":"0","jsonrpc":"2.0","method":"keepalive","params":null}"#,
                r#"{"id":"0","jsonrpc":"2.0","method":"keepalive","result":"ok","error":null}"#
            ),
        ],
    },
    Dialect {
        name: "beam",
        framing: Framing::Line,
        talk: &[
            login!(
                concat!(r#"{"method":"login", "api_key":""#, bitcoin!(), r#".rig1", "id":"login","jsonrpc":"2.0"}"#),
                r#"{"code":0,"description":"Login successful","id":"login","jsonrpc":"2.0","method":"result","nonceprefix":"df6830"}"#,
                concat!(
                    r#"{"difficulty":53,"height":1233,"id":"1","input":""#, hash!(), r#"","jsonrpc":"2.0","method":"job"}"#
                )
            ),
            submit!(
                concat!(
                    r#"{"method":"solution", "id":"1", "nonce":"df68302ac5ab1e2f", "output":""#, hash!(), hash!(), hash!(),
                    r#"","jsonrpc":"2.0"}"#
                ),
                r#"{"code":1,"description":"accepted","id":"1","jsonrpc":"2.0","method":"result"}"#
            ),
        ],
    },
    Dialect {
        name: "getwork",
        framing: Framing::Http,
        talk: &[
            login!(
                r#"{"method": "getwork", "params": [], "id":0}
"#,
                concat!(
                    r#"{"result":{"midstate":""#, hash!(), r#"","data":"00000001"#, hash!(), hash!(),
                    r#"504e86b91a05db8b00000000000000800000000000000000000000000000000000000000000000000000000000000000000000000000000080020000","#,
                    r#""hash1":"00000000000000000000000000000000000000000000000000000000000000000000008000000000000000000000000000000000000000000000000000010000","#,
                    r#""target":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000"},"error":null,"id":0}"#
                )
            ),
            submit!(
                concat!(r#"{"method": "getwork", "params": [ "00000001"#, hash!(), hash!(), r#"504e86b9" ], "id":1}
"#),
                r#"{"result":true,"error":null,"id":1}"#
            ),
        ],
    },
    Dialect {
        name: "getblocktemplate",
        framing: Framing::Http,
        talk: &[
            login!(
                r#"{"method": "getblocktemplate", "params": [{"capabilities": ["coinbasetxn", "coinbasevalue", "longpoll", "workid"], "rules": ["segwit"]}], "id":0}
"#,
                concat!(
                    r#"{"result":{"version":536870912,"previousblockhash":""#, hash!(),
                    r#"","transactions":[],"coinbaseaux":{"flags":""},"coinbasevalue":625000000,"longpollid":"1","target":""#, hash!(),
                    r#"","mintime":1700000000,"mutable":["time","transactions","prevblock"],"noncerange":"00000000ffffffff","curtime":1700000001,"bits":"1903a30c","height":840000},"error":null,"id":0}"#
                )
            ),
            submit!(
                concat!(r#"{"method": "submitblock", "params": ["00000020"#, hash!(), hash!(), r#"6553f1000ca30319b2957c02"], "id":1}
"#),
                r#"{"result":null,"error":null,"id":1}"#
            ),
        ],
    },
    Dialect {
        name: "stratum2",
        framing: Framing::Frame,
        talk: &[
            Exchange {
                step: Step::Login,
                // SetupConnection: mining, versions 2 to 2, host, port 34254, vendor, hardware, firmware, device.
                say: b"\0\0\x00\x00\x02\0\x02\0\x01\0\0\0\x0cpool.example\xce\x85\x07bitaxe \x03601\x062.1.10\x04rig1",
                hear: &[b"\0\0\x01\x02\0\0\0\0\0"],
            },
            Exchange {
                step: Step::Login,
                // OpenStandardMiningChannel: request, user, nominal hash rate, largest target.
                say: b"\0\0\x10\x01\0\0\0\x221A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\0\0\x80\x3f\
                    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
                    \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
                hear: &[
                    // Its success: request, channel, target, extranonce, group. Then a job of that channel.
                    b"\0\0\x11\x01\0\0\0\x07\0\0\0\
                        \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
                        \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\x04\0\0\0\x01\0\0\0\0",
                    b"\0\x80\x15\x07\0\0\0\x01\0\0\0\0\0\0\0\x20\
                        mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
                ],
            },
            Exchange {
                step: Step::Submit,
                // SubmitSharesStandard: channel, sequence, job, nonce, time, version.
                say: b"\0\x80\x1a\x07\0\0\0\x01\0\0\0\x01\0\0\0\x02\x7c\x95\xb2\0\xf1\x53\x65\0\0\0\x20",
                hear: &[b"\0\x80\x1c\x07\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0"],
            },
        ],
    },
];
