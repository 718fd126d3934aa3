//! Mining messages of each dialect, both directions, and what merely looks like them.

use super::super::{Application, Role, Sample};

use Role::{Client, Server};

/// What must be recognised. Wallets and hashes are made up.
pub(super) const POSITIVE: &[Sample] = &[
    known(
        "xmrig login",
        Client,
        concat!(
            r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z","pass":"x","agent":"XMRig/6.26.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0","algo":["rx/0","cn/r","cn/half","argon2/chukwa","kawpow"]}}"#,
            "\n"
        ),
        r#""login":"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z""#,
    ),
    known(
        "xmrig login with a short account",
        Client,
        concat!(
            r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"miner.rig1","pass":"x","agent":"XMRig/6.26.0","rigid":"rig1","algo":["rx/0","cn/r","cn/half","argon2/chukwa","kawpow"]}}"#,
            "\n"
        ),
        r#""agent":""#,
    ),
    known(
        "xmrig submit",
        Client,
        concat!(
            r#"{"id":2,"jsonrpc":"2.0","method":"submit","params":{"id":"3f1c6f2e-7c3b","job_id":"Yw9x4zP1","nonce":"d0070000","result":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","algo":"rx/0"}}"#,
            "\n"
        ),
        r#""result":""#,
    ),
    known(
        "xmrig keepalive",
        Client,
        concat!(r#"{"id":3,"jsonrpc":"2.0","method":"keepalived","params":{"id":"3f1c6f2e-7c3b"}}"#, "\n"),
        r#""keepalived""#,
    ),
    known(
        "cryptonote login answer",
        Server,
        concat!(
            r#"{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"3f1c6f2e-7c3b","job":{"blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab","job_id":"Yw9x4zP1","target":"b88d0600","algo":"rx/0","height":3181231,"seed_hash":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"},"extensions":["algo","nicehash","connect","keepalive"],"status":"OK"}}"#,
            "\n"
        ),
        r#""job":{"blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab""#,
    ),
    known(
        "cryptonote job",
        Server,
        concat!(
            r#"{"jsonrpc":"2.0","method":"job","params":{"blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab","job_id":"Yw9x4zP2","target":"b88d0600","algo":"rx/0","height":3181232,"seed_hash":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"}}"#,
            "\n"
        ),
        r#""blob":""#,
    ),
    known(
        "cryptonote job, parameters first",
        Server,
        concat!(
            r#"{"params":{"target":"b88d0600","job_id":"Yw9x4zP2","blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab"},"method":"job","jsonrpc":"2.0"}"#,
            "\n"
        ),
        r#""blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab""#,
    ),
    known(
        "cryptonote keepalive answer",
        Server,
        concat!(r#"{"id":3,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}"#, "\n"),
        r#""KEEPALIVED""#,
    ),
    known(
        "xmrig auto login answer",
        Server,
        concat!(
            r#"{"id":1,"jsonrpc":"2.0","result":{"id":"a1b2","algo":"kawpow","extra_nonce":"9f3a","extensions":["algo"],"status":"OK"},"error":null}"#,
            "\n"
        ),
        r#""extra_nonce":""#,
    ),
    known(
        "xmr-stak login",
        Client,
        concat!(
            r#"{"method":"login","params":{"login":"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z","pass":"x","rigid":"","agent":"xmr-stak/2.10.8/b5f14d8e/master/lin/nvidia-cpu/20"},"id":1}"#,
            "\n"
        ),
        r#""login":"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z""#,
    ),
    known(
        "xmr-stak submit",
        Client,
        concat!(
            r#"{"method":"submit","params":{"id":"1","job_id":"77","nonce":"4e9a0100","result":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"},"id":1}"#,
            "\n"
        ),
        r#""result":""#,
    ),
    known(
        "a miner's login with spaces and escapes",
        Client,
        " { \"id\" : 1 , \"m\\u0065thod\" : \"l\\u006fgin\" ,\r\n \"params\" : { \"login\" : \"acct\" , \"agent\" : \"x\" } }\n",
        r#""agent" : ""#,
    ),
    known(
        "bitcoin subscribe",
        Client,
        concat!(r#"{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}"#, "\n"),
        r#""mining.subscribe""#,
    ),
    known(
        "bitcoin subscribe, method last",
        Client,
        concat!(r#"{"params": ["bfgminer/5.5.0", "0a1b2c3d"], "id": 0, "method": "mining.subscribe"}"#, "\n"),
        r#""mining.subscribe""#,
    ),
    known(
        "bitcoin configure",
        Client,
        concat!(
            r#"{"id": 1, "method": "mining.configure", "params": [["version-rolling", "minimum-difficulty"], {"version-rolling.mask": "1fffe000"}]}"#,
            "\n"
        ),
        r#""mining.configure""#,
    ),
    known(
        "bitcoin authorize",
        Client,
        concat!(
            r#"{"params": ["bc1qexampleexampleexampleexample.rig1", "x"], "id": 2, "method": "mining.authorize"}"#,
            "\n"
        ),
        r#""mining.authorize""#,
    ),
    known(
        "cgminer submit",
        Client,
        concat!(
            r#"{"params": ["account.worker1", "58c0a9d1", "0000000000000000", "64e8a5b2", "1f3c9d07"], "id": 14, "method": "mining.submit"}"#,
            "\n"
        ),
        r#""mining.submit""#,
    ),
    known(
        "bitcoin extranonce subscription",
        Client,
        concat!(r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#, "\n"),
        r#""mining.extranonce.subscribe""#,
    ),
    known(
        "bitcoin suggested difficulty",
        Client,
        concat!(r#"{"id":4,"method":"mining.suggest_difficulty","params":[1024]}"#, "\n"),
        r#""mining.suggest_difficulty""#,
    ),
    known(
        "bitcoin subscribe answer",
        Server,
        concat!(
            r#"{"id": 1, "result": [[["mining.set_difficulty", "b4b6693b"], ["mining.notify", "ae6812eb"]], "08000002", 4], "error": null}"#,
            "\n"
        ),
        r#""mining.set_difficulty""#,
    ),
    known(
        "bitcoin difficulty",
        Server,
        concat!(r#"{"id": null, "method": "mining.set_difficulty", "params": [2048]}"#, "\n"),
        r#""mining.set_difficulty""#,
    ),
    known(
        "bitcoin answer and difficulty in one segment",
        Server,
        "{\"id\":2,\"result\":true,\"error\":null}\n{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[512]}\n",
        r#""mining.set_difficulty""#,
    ),
    known(
        "bitcoin notify",
        Server,
        concat!(
            r#"{"id":null,"method":"mining.notify","params":["bf","8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008","072f736c7573682f000000000100f2052a010000001976a914d23fcdf8","",["8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"],"00000002","1c2ac4af","504e86b9",false]}"#,
            "\n"
        ),
        r#""mining.notify""#,
    ),
    known(
        "bitcoin notify, method last",
        Server,
        concat!(
            r#"{"params": ["bf", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008", "072f736c7573682f000000000100f2052a010000001976a914d23fcdf8", ["8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"], "00000002", "1c2ac4af", "504e86b9", false], "id": null, "method": "mining.notify"}"#,
            "\n"
        ),
        r#"01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20"#,
    ),
    known(
        "bitcoin version mask",
        Server,
        concat!(r#"{"id":null,"method":"mining.set_version_mask","params":["1fffe000"]}"#, "\n"),
        r#""mining.set_version_mask""#,
    ),
    known(
        "zcash target",
        Server,
        concat!(
            r#"{"id":null,"method":"mining.set_target","params":["0083126e978d4fdf3b645a1cac083126e978d4fdf3b645a1cac083126e978d4f"]}"#,
            "\n"
        ),
        r#""mining.set_target""#,
    ),
    known(
        "a pool asks for the version",
        Server,
        concat!(r#"{"id":5,"method":"client.get_version","params":[]}"#, "\n"),
        r#""#,
    ),
    known(
        "ethereum stratum 1 subscribe",
        Client,
        concat!(
            r#"{"id": 1, "method": "mining.subscribe", "params": ["MinerName/1.0.0", "EthereumStratum/1.0.0"]}"#,
            "\n"
        ),
        r#""mining.subscribe""#,
    ),
    known(
        "ethereum stratum 1 answer",
        Server,
        concat!(
            r#"{"id": 1, "result": [["mining.notify", "ae6812eb4cd7735a302a8a9dd95cf71f", "EthereumStratum/1.0.0"], "080c"], "error": null}"#,
            "\n"
        ),
        r#""mining.notify""#,
    ),
    known(
        "ethereum stratum 1 notify",
        Server,
        concat!(
            r#"{"id": null, "method": "mining.notify", "params": ["bf0488aa", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", "8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3", true]}"#,
            "\n"
        ),
        r#""mining.notify""#,
    ),
    known(
        "kaspa subscribe answer",
        Server,
        concat!(r#"{"id":1,"jsonrpc":"2.0","result":[true,"EthereumStratum/1.0.0"]}"#, "\n"),
        r#""EthereumStratum/1.0.0""#,
    ),
    known(
        "ethereum stratum 2 hello",
        Client,
        concat!(
            r#"{"id" : 0, "method": "mining.hello", "params": {"agent": "ethminer-0.17", "host" : "eth.pool.example", "port" : "4d2", "proto": "EthereumStratum/2.0.0"}}"#,
            "\n"
        ),
        r#""mining.hello""#,
    ),
    known(
        "ethereum stratum 2 hello answer",
        Server,
        concat!(
            r#"{"id" : 0, "result": {"proto" : "EthereumStratum/2.0.0", "encoding" : "plain", "resume" : "1", "timeout" : "b4", "maxerrors" : "5", "node" : "Geth/v1.8.18"}}"#,
            "\n"
        ),
        r#""EthereumStratum/2.0.0""#,
    ),
    known(
        "ethereum stratum 2 set",
        Server,
        concat!(
            r#"{"method": "mining.set", "params": {"epoch" : "dc", "target" : "0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba", "algo" : "ethash", "extranonce" : "af4c"}}"#,
            "\n"
        ),
        r#""mining.set""#,
    ),
    known(
        "ethereum stratum 2 hash rate",
        Client,
        concat!(r#"{"id":16,"method":"mining.hashrate","params":["500000","w-123"]}"#, "\n"),
        r#""mining.hashrate""#,
    ),
    known(
        "ethproxy login",
        Client,
        concat!(
            r#"{"id":1,"worker":"rig1","jsonrpc":"2.0","method":"eth_submitLogin","params":["0x5aeda56215b167893e80b4fe645ba6d5bab767de","x"]}"#,
            "\n"
        ),
        r#""eth_submitLogin""#,
    ),
    known(
        "ethproxy asks for work",
        Client,
        concat!(r#"{"id":3,"jsonrpc":"2.0","method":"eth_getWork","params":[]}"#, "\n"),
        r#""params":[]}"#,
    ),
    known(
        "ethproxy submit",
        Client,
        concat!(
            r#"{"id":4,"jsonrpc":"2.0","method":"eth_submitWork","params":["0x0000000000000001","0x8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","0x8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"],"worker":"rig1"}"#,
            "\n"
        ),
        r#""eth_submitWork""#,
    ),
    known(
        "ethproxy hash rate",
        Client,
        concat!(
            r#"{"id":6,"jsonrpc":"2.0","worker":"rig1","method":"eth_submitHashrate","params":["0x0000000000000000000000000000000000000000000000000000000000500000","0x8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"]}"#,
            "\n"
        ),
        r#""eth_submitHashrate""#,
    ),
    known(
        "ethproxy work",
        Server,
        concat!(
            r#"{"id":0,"jsonrpc":"2.0","result":["0x8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","0x8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","0x3c2d1e0f2c9b4a1db3f7d1d0b6f94c6e7d40874c8fba728a6921164c3599a1b8","0xd3b1a2"]}"#,
            "\n"
        ),
        r#""0xd3b1a2"]}"#,
    ),
    known(
        "grin login",
        Client,
        concat!(
            r#"{"id":"0","jsonrpc":"2.0","method":"login","params":{"login":"user@example.com","pass":"x","agent":"grin-miner"}}"#,
            "\n"
        ),
        r#""agent":""#,
    ),
    known(
        "grin asks for a template",
        Client,
        concat!(r#"{"id":"0","jsonrpc":"2.0","method":"getjobtemplate"}"#, "\n"),
        r#""getjobtemplate""#,
    ),
    known(
        "grin job",
        Server,
        concat!(
            r#"{"id":"Stratum","jsonrpc":"2.0","method":"job","params":{"difficulty":1,"height":13726,"job_id":4,"pre_pow":"00010000000000003c4d0171369781424b39"}}"#,
            "\n"
        ),
        r#""pre_pow":""#,
    ),
    known(
        "grin submit",
        Client,
        concat!(
            r#"{"id":"0","jsonrpc":"2.0","method":"submit","params":{"edge_bits":29,"height":16419,"job_id":0,"nonce":8895699060858340771,"pow":[4210040,10141596,13269632]}}"#,
            "\n"
        ),
        r#""nonce":8895699060858340771,"#,
    ),
    known(
        "beam login",
        Client,
        concat!(
            r#"{"method":"login","api_key":"skjdb7343636gucgjdjgd.worker","id":"login","jsonrpc":"2.0"}"#,
            "\n"
        ),
        r#""api_key":""#,
    ),
    known(
        "beam login answer",
        Server,
        concat!(
            r#"{"id":"login","jsonrpc":"2.0","method":"result","code":0,"description":"Login successful","nonceprefix":"2c"}"#,
            "\n"
        ),
        r#""nonceprefix":""#,
    ),
    known(
        "beam job",
        Server,
        concat!(
            r#"{"jsonrpc":"2.0","id":"8","method":"job","input":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","height":106161,"difficulty":69763084}"#,
            "\n"
        ),
        r#""difficulty":69763084}"#,
    ),
    known(
        "beam solution",
        Client,
        concat!(
            r#"{"jsonrpc":"2.0","id":"8","method":"solution","nonce":"2c00000000000001","output":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"}"#,
            "\n"
        ),
        r#""output":""#,
    ),
    known(
        "fishhash subscribe",
        Client,
        concat!(
            r#"{"id":1,"method":"mining.subscribe","body":{"version":3,"name":"rig1","publicAddress":"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3","agent":"lolMiner 1.88"}}"#,
            "\n"
        ),
        r#""mining.subscribe""#,
    ),
    known(
        "fishhash subscribed",
        Server,
        concat!(
            r#"{"id":2,"method":"mining.subscribed","body":{"clientId":17,"graffiti":"pool","xn":"a1b2"}}"#,
            "\n"
        ),
        r#""mining.subscribed""#,
    ),
    known(
        "nicehash marker",
        Client,
        concat!(
            r#"{"id":1,"method":"mining.subscribe","params":["NiceHash/1.0.0",1733838183000,"8b1a9953c4611296a827abf8c47804d7e6c49f6b0d1d7f3bd1a4b9c2f0e1d2c3"]}"#,
            "\n"
        ),
        r#""mining.subscribe""#,
    ),
    known(
        "a login that says no more",
        Client,
        concat!(r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"acct","pass":"x"}}"#, "\n"),
        r#""pass":"x"}}"#,
    ),
    known(
        "getwork over HTTP",
        Client,
        "POST / HTTP/1.1\r\nAuthorization: Basic dXNlcjpwYXNz\r\nHost: 10.0.0.5:8332\r\nAccept-Encoding: deflate, gzip\r\nContent-Type: application/json\r\nContent-Length: 45\r\nUser-Agent: cpuminer/2.5.1\r\nX-Mining-Extensions: longpoll noncerange reject-reason\r\n\r\n{\"method\": \"getwork\", \"params\": [], \"id\":0}\r\n",
        "X-Mining-Extensions: longpoll noncerange reject-reason\r\n",
    ),
    known(
        "getwork over HTTP without its headers",
        Client,
        "POST / HTTP/1.0\r\nHost: 10.0.0.5:8332\r\nContent-Length: 45\r\n\r\n{\"method\": \"getwork\", \"params\": [], \"id\":0}\r\n",
        r#""id":0}"#,
    ),
    known(
        "block template over HTTP",
        Client,
        "POST /json_rpc HTTP/1.1\r\nHost: 127.0.0.1:18081\r\nUser-Agent: XMRig/6.26.0\r\nContent-Type: application/json\r\n\r\n{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"getblocktemplate\",\"params\":{\"reserve_size\":8,\"wallet_address\":\"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z\"}}",
        r#"48A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7Z"}}"#,
    ),
    known(
        "ethereum work over HTTP",
        Client,
        "POST / HTTP/1.0\r\nHost: 127.0.0.1:8545\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"eth_getWork\",\"params\":[],\"id\":1}",
        r#""id":1}"#,
    ),
    known(
        "long poll for getwork",
        Client,
        "GET /LP HTTP/1.1\r\nHost: 10.0.0.5:8332\r\nX-Mining-Hashrate: 120000\r\n\r\n",
        "X-Mining-Hashrate: 120000\r\n",
    ),
    known(
        "a getwork server points to its pool",
        Server,
        "HTTP/1.1 200 OK\r\nX-Stratum: stratum+tcp://pool.example:3333\r\nContent-Length: 2\r\n\r\n{}",
        "pool.example:3333\r\n",
    ),
    known(
        "monero block template answer",
        Server,
        r#"{"id":"0","jsonrpc":"2.0","result":{"blockhashing_blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab","blocktemplate_blob":"1010c3d4e5f60718293a4b5c6d7e8f900112233445566778abababababababababababababababababababababababababababababababababababababababababababababababababababab","difficulty":61043624293,"status":"OK"}}"#,
        r#""status":"OK"}}"#,
    ),
    raw(
        "stratum 2 setup",
        Client,
        b"\0\0\0\x30\0\0\0\x02\0\x02\0\x01\0\0\0\x0cpool.example\xd2\x85\x04acme\x02v1\x01f\x08device-1",
        11,
    ),
    raw("stratum 2 success", Server, b"\0\0\x01\x06\0\0\x02\0\0\0\0\0", 12),
];

/// What must not be.
#[cfg(test)]
pub(super) const NEGATIVE: &[(&str, &str)] = &[
    (
        "a node is asked for a block",
        concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",false]}"#,
            "\n"
        ),
    ),
    (
        "a contract is called",
        concat!(
            r#"{"jsonrpc":"2.0","method":"eth_call","params":[{"to":"0x5aeda56215b167893e80b4fe645ba6d5bab767de","data":"0x70a08231"},"latest"],"id":7}"#,
            "\n"
        ),
    ),
    (
        "MCP initialize",
        concat!(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"agent","version":"1"}}}"#,
            "\n"
        ),
    ),
    ("MCP tools", concat!(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "\n")),
    (
        "MCP tool call about mining",
        concat!(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"grep","arguments":{"pattern":"mining.subscribe","login":"x","agent":"y","blob":"00","job_id":"1","target":"2"}}}"#,
            "\n"
        ),
    ),
    (
        "MCP answer about mining",
        concat!(
            r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"{\"method\":\"mining.notify\"} pre_pow blob job_id"}]}}"#,
            "\n"
        ),
    ),
    (
        "LSP",
        "Content-Length: 75\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"login\":\"a\",\"agent\":\"b\"}}",
    ),
    (
        "LSP by lines",
        concat!(
            r#"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a.rs","text":"mining.submit"}}}"#,
            "\n"
        ),
    ),
    ("bore", "{\"Hello\":0}\0"),
    (
        "GELF",
        "{\"version\":\"1.1\",\"host\":\"example.org\",\"short_message\":\"login failed\",\"level\":1,\"_job_id\":\"17\",\"_agent\":\"x\"}\0",
    ),
    (
        "logstash",
        concat!(
            r#"{"@timestamp":"2024-11-05T10:00:00Z","message":"method login","job_id":"1","target":"prod","blob":"s3"}"#,
            "\n"
        ),
    ),
    (
        "a job queue",
        concat!(
            r#"{"id":7,"method":"job","params":{"job_id":"build-17","target":"x86_64","nonce":"1"}}"#,
            "\n"
        ),
    ),
    (
        "a store of blobs",
        concat!(
            r#"{"id":7,"result":{"blob":"aGVsbG8gd29ybGQ","job_id":"9","target":"main"},"error":null}"#,
            "\n"
        ),
    ),
    (
        "a web application logs in",
        "POST /api HTTP/1.1\r\nHost: app.example\r\nContent-Type: application/json\r\n\r\n{\"method\":\"login\",\"params\":{\"login\":\"bob\",\"agent\":\"web\",\"pass\":\"x\"}}",
    ),
    (
        "block number over HTTP",
        "POST / HTTP/1.1\r\nHost: rpc.example\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"eth_blockNumber\",\"params\":[],\"id\":1}",
    ),
    ("a page", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>mining.notify</p>"),
    ("no JSON", r#"{ mining.subscribe }"#),
    ("a style sheet", r#"{color:red}"#),
    ("an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

/// A message that must be known once `decisive` has been read, or all of it where that is empty.
const fn known(name: &'static str, from: Role, text: &'static str, decisive: &str) -> Sample {
    let bytes = text.as_bytes();
    let decisive = if decisive.is_empty() { bytes.len() } else { through(bytes, decisive.as_bytes()) };
    Sample { name, from, bytes, decisive, application: Application::Stratum }
}

const fn raw(name: &'static str, from: Role, bytes: &'static [u8], decisive: usize) -> Sample {
    Sample { name, from, bytes, decisive, application: Application::Stratum }
}

/// Bytes up to the end of the first place where `part` stands.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn through(bytes: &[u8], part: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let mut same = 0;
        while same < part.len() && bytes[at + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return at + same;
        }
        at += 1;
    }
}
