//! The fields that rules may ask for: one table, from which lookup, checks and documentation come.

use super::Category;

/// A field: its Sigma name, the categories that offer it, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in rules.
    pub name: &'static str,
    /// Categories of events that carry it.
    pub categories: &'static [Category],
    /// One line for the field reference.
    pub doc: &'static str,
}

macro_rules! fields {
    ($( $id:ident $name:literal $categories:ident $doc:literal; )*) => {
        /// A field by number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum FieldId { $( $id, )* }

        impl FieldId {
            /// Its name in rules.
            pub(super) fn name(self) -> &'static str {
                match self { $( Self::$id => $name, )* }
            }
        }

        const FIELDS: &[Field] = &[ $( Field { name: $name, categories: $categories, doc: $doc }, )* ];
        const IDS: &[FieldId] = &[ $( FieldId::$id, )* ];
    };
}

const ANY: &[Category] = Category::ALL;
/// Categories in which a process acts.
const ACTOR: &[Category] = &[
    Category::ProcessCreation,
    Category::NetworkConnection,
    Category::NetworkListen,
    Category::NetworkPayload,
    Category::DnsQuery,
    Category::FileEvent,
    Category::FileChange,
    Category::FileDelete,
    Category::FileAccess,
    Category::ImageLoad,
    Category::Operation,
    Category::Observation,
    Category::Cgroup,
];
/// Categories that are about a flow.
const CONNECTION: &[Category] = &[Category::NetworkConnection, Category::NetworkPayload, Category::DnsQuery];
const PAYLOAD: &[Category] = &[Category::NetworkPayload];
const DNS: &[Category] = &[Category::DnsQuery];
const LISTEN: &[Category] = &[Category::NetworkListen];
const NETWORK: &[Category] =
    &[Category::NetworkConnection, Category::NetworkListen, Category::NetworkPayload, Category::DnsQuery];
const FILE: &[Category] =
    &[Category::FileEvent, Category::FileChange, Category::FileDelete, Category::FileAccess];
/// Categories about a file whose content may be read afterwards.
const WRITTEN: &[Category] = &[Category::FileEvent];
const EXEC: &[Category] = &[Category::ProcessCreation];
const CANARY: &[Category] = &[
    Category::FileEvent,
    Category::FileChange,
    Category::FileDelete,
    Category::FileAccess,
    Category::NetworkPayload,
];
const ACCESS: &[Category] = &[Category::FileAccess];
const IMAGE: &[Category] = &[Category::ImageLoad];
const OPERATION: &[Category] = &[Category::Operation];
const TOUCHING: &[Category] =
    &[Category::Operation, Category::FileEvent, Category::FileChange, Category::FileDelete];
const OBSERVATION: &[Category] = &[Category::Observation];
/// What a parser found, and an analysis repeats.
const SPOKEN: &[Category] = &[Category::NetworkPayload, Category::Observation];
/// Where wallet addresses are looked for.
const WALLET: &[Category] = &[Category::ProcessCreation, Category::NetworkPayload, Category::Observation];
const CGROUP: &[Category] = &[Category::Cgroup];
const SENSOR: &[Category] = &[Category::Sensor];

fields! {
    Image "Image" ACTOR "Resolved path of the executable; the interpreter, for a script.";
    CommandLine "CommandLine" ACTOR "Arguments joined by spaces.";
    Args "Args" ACTOR "Arguments one by one, the program's own name first; modifiers apply to each.";
    Argv0 "Argv0" ACTOR "First argument: what the program was told it is called.";
    Comm "Comm" ACTOR "Task name, at most 15 bytes.";
    CurrentDirectory "CurrentDirectory" ACTOR "Working directory at exec.";
    Script "Script" ACTOR "Path of the script that Image interprets.";
    User "User" ACTOR "User: `root`, or the user id in the initial user namespace.";
    ProcessId "ProcessId" ACTOR "Process id in the initial pid namespace.";
    ParentProcessId "ParentProcessId" ACTOR "Process id of the parent.";
    ParentImage "ParentImage" ACTOR "Executable of the parent.";
    ParentCommandLine "ParentCommandLine" ACTOR "Arguments of the parent joined by spaces.";
    Program "Program" ACTOR "Names of the executable, argv[0], task and script: lower case, with and without version.";
    ExeMemfd "ExeMemfd" ACTOR "The executable lives in memory only.";
    ExeDeleted "ExeDeleted" ACTOR "The executable had no name left when it was run.";
    ExeInode "ExeInode" ACTOR "Inode of the executable.";
    ExeWorldWritable "ExeWorldWritable" ACTOR "Everybody may write the executable.";
    ExeSetuid "ExeSetuid" ACTOR "The executable is setuid or setgid.";
    ArgvTruncated "ArgvTruncated" ACTOR "The command line is longer than what was taken.";
    PathTruncated "PathTruncated" ACTOR "The path of the executable or its directory is too long to resolve; it lacks its start.";
    ScriptText "ScriptText" ACTOR "Program text given to a shell, Python, Perl, Ruby, Node or PHP as an argument.";
    EnvLdPreload "EnvLdPreload" ACTOR "LD_PRELOAD at exec.";
    EnvLdAudit "EnvLdAudit" ACTOR "LD_AUDIT at exec.";
    EnvBashEnv "EnvBashEnv" ACTOR "BASH_ENV at exec.";
    EnvPythonStartup "EnvPythonStartup" ACTOR "PYTHONSTARTUP at exec.";
    SshForward "SshForward" ACTOR "What an SSH client forwards: remote, local, dynamic, tunnel, stdio, or none.";
    SshForwardSpec "SshForwardSpec" ACTOR "The forwardings as they were given.";
    SshDestination "SshDestination" ACTOR "Where an SSH client connects to, as it was given.";
    SshBackground "SshBackground" ACTOR "The SSH client goes to the background.";
    SshNoCommand "SshNoCommand" ACTOR "The SSH client runs no remote command.";
    SshConfigFile "SshConfigFile" ACTOR "Configuration file given to an SSH client.";
    MinerTokens "MinerTokens" ACTOR "Marks of a miner in argv: scheme, donate, randomx, xmrig, option, pair, algo, pool, wallet.";
    ScriptMinerTokens "ScriptMinerTokens" ACTOR "The same marks inside ScriptText.";

    Wallets "Wallets" WALLET "Wallet addresses with a right checksum and in no documentation: in arguments of one word, in the first bytes of a flow, in a file.";
    WalletCoins "WalletCoins" WALLET "Their coins, each once: BTC, BCH, DASH, DOGE, ERG, ETH (and all that share its addresses), KAS, LTC, RVN, TRX, XMR, ZEC.";
    ScriptWallets "ScriptWallets" EXEC "The same inside ScriptText and other arguments of several words.";
    ScriptWalletCoins "ScriptWalletCoins" EXEC "Their coins.";

    Initiated "Initiated" CONNECTION "The flow goes out from here; false where it was accepted, or began before the watch.";
    Protocol "Protocol" NETWORK "tcp, udp, or a protocol number.";
    SourceIp "SourceIp" CONNECTION "Local address, where chosen.";
    SourcePort "SourcePort" CONNECTION "Local port, where chosen.";
    DestinationIp "DestinationIp" CONNECTION "Remote address; a v4-mapped one as IPv4.";
    DestinationPort "DestinationPort" CONNECTION "Remote port.";
    DestinationIsLoopback "DestinationIsLoopback" CONNECTION "The remote address is this machine.";
    DestinationIsPrivate "DestinationIsPrivate" CONNECTION "The remote address is private, link-local or shared (RFC 1918, 4193, 6598).";
    DestinationIsIpv6 "DestinationIsIpv6" CONNECTION "The remote address is IPv6.";
    DestinationHostname "DestinationHostname" CONNECTION "Name that a DNS answer gave the remote address, in the same network namespace, while it holds.";
    DestinationDomains "DestinationDomains" CONNECTION "That name and every domain above it.";
    DestinationResolved "DestinationResolved" CONNECTION "Whether a DNS answer named the remote address; absent for addresses that are not public.";

    Application "Application" PAYLOAD "What is spoken: stratum, ssh, tls, http, dns, socks, noise, tunnel, shell; canary where the bytes hold a string of one.";
    Role "Role" PAYLOAD "client or server: the part that the process plays.";
    StratumDialect "StratumDialect" PAYLOAD "Mining protocol: cryptonote, bitcoin, ethereumstratum1, ethereumstratum2, ethproxy, grin, beam, fishhash, getwork, getblocktemplate, stratum2.";
    StratumMethod "StratumMethod" PAYLOAD "Method or message of the mining protocol, such as login or mining.subscribe.";
    StratumAgent "StratumAgent" PAYLOAD "Mining program, as it names itself.";
    StratumLogin "StratumLogin" PAYLOAD "Wallet or account that is mined for.";
    StratumAlgo "StratumAlgo" PAYLOAD "Algorithms that are offered or asked for.";
    StratumCertainty "StratumCertainty" PAYLOAD "certain, or likely: also spoken to a node of one's own.";
    SshBanner "SshBanner" SPOKEN "Identification string without its line end.";
    SshSoftware "SshSoftware" PAYLOAD "Software of the identification string, such as OpenSSH_9.2p1.";
    Sni "Sni" SPOKEN "Server name in the ClientHello; absent where none was sent.";
    SniDomains "SniDomains" PAYLOAD "That name and every domain above it.";
    Alpn "Alpn" PAYLOAD "Protocols that the ClientHello offers.";
    Ja4 "Ja4" PAYLOAD "JA4 fingerprint of the ClientHello.";
    TlsVersion "TlsVersion" PAYLOAD "Highest version that the ClientHello offers, such as 1.3.";
    HttpMethod "HttpMethod" PAYLOAD "Method of the request.";
    HttpHost "HttpHost" PAYLOAD "Host of the request, without port.";
    HttpHostDomains "HttpHostDomains" PAYLOAD "That name and every domain above it.";
    HttpPath "HttpPath" PAYLOAD "Target of the request; its query is masked.";
    HttpStatus "HttpStatus" PAYLOAD "Status of the response.";
    HttpUpgrade "HttpUpgrade" PAYLOAD "Upgrade header.";
    HttpProtocol "HttpProtocol" PAYLOAD "Sec-WebSocket-Protocol header.";
    HttpVersion "HttpVersion" PAYLOAD "1.0, 1.1 or 2.";
    UserAgent "UserAgent" PAYLOAD "User-Agent header.";
    SocksVersion "SocksVersion" PAYLOAD "4 or 5.";
    SocksTarget "SocksTarget" PAYLOAD "Where the proxy is asked to connect to, where that was seen.";
    NoiseShape "NoiseShape" PAYLOAD "Protocol whose handshake has messages of these sizes: stratum2.";
    TunnelTool "TunnelTool" PAYLOAD "Tool whose own protocol is spoken: frp, bore, rathole, ngrok, chisel, websocket (SSH inside one), wireguard.";
    ShellText "ShellText" PAYLOAD "What the shell said.";

    QueryName "QueryName" DNS "Name asked for, lower case.";
    QueryDomains "QueryDomains" DNS "That name and every domain above it.";
    QueryType "QueryType" DNS "Type asked for, such as A or TXT.";
    QueryStatus "QueryStatus" DNS "Status of the answer: NOERROR, NXDOMAIN and so on; absent where no answer came in time.";
    QueryResults "QueryResults" DNS "Data of the answers, CNAME chains in order.";

    LocalIp "LocalIp" LISTEN "Address that is listened on.";
    LocalPort "LocalPort" LISTEN "Port that is listened on.";
    LocalIsLoopback "LocalIsLoopback" LISTEN "Only this machine can reach it.";

    TargetFilename "TargetFilename" FILE "Path of the file; the new name for rename, link and symlink. The path on the host, where the file is there; that and the path as the process has it, where these differ and both are the host's.";
    SourceFilename "SourceFilename" FILE "Old name of a rename or link, target of a symlink; the name that was used, for a file known under TargetFilename too.";
    FileOperation "FileOperation" FILE "open (for writing), truncate, rename, link, symlink; chmod; unlink; access, copy (of canaries).";
    FileCreated "FileCreated" FILE "The file did not exist before.";
    FileMode "FileMode" FILE "Permission bits in octal, such as 0755.";
    FileEmptied "FileEmptied" FILE "The open cut the file to nothing.";
    FileType "FileType" FILE "regular, block or character: what the open file is; absent for operations on names.";
    FileExecutable "FileExecutable" FILE "Somebody may execute the file.";
    FileInode "FileInode" FILE "Inode, where the operation has an open file.";
    ChangeAdded "ChangeAdded" WRITTEN "Lines that the file has now and had not before; every line where its past is not known. For files that have something run, or somebody in: crontabs, units, keys, sudoers, start-up files and the like.";
    ChangeRemoved "ChangeRemoved" WRITTEN "Lines that the file had and has no longer.";
    ChangeMeaning "ChangeMeaning" WRITTEN "What those lines do, a sentence each.";
    ChangeKinds "ChangeKinds" WRITTEN "What added lines of a shell's files and of scripts are: comment, path (adds to PATH), path_odd, tool (set-up of a known tool), control, environment, alias, source, command, eval, download, decode, socket, background, hook, preload.";

    TargetHostPath "TargetHostPath" FILE "Path of the file on the host's own mounts; absent for a file on none of them.";
    TargetOnHost "TargetOnHost" FILE "The file is on the host's own mounts, or nothing says that it is not; false for a container's own layers.";
    TargetInWorkspace "TargetInWorkspace" FILE "The file is below a directory that the agent's processes were started in, or in a project around one.";
    TargetIsDirectory "TargetIsDirectory" FILE "The file is a directory.";
    WriterTrusted "WriterTrusted" ACTOR "A package manager, container runtime or service manager of the host acts, told by inode; or a system program below a package manager.";
    Canary "Canary" CANARY "Name of the canary that the file is, or whose strings were sent; `copy of NAME` for a copy.";
    CanaryNamed "CanaryNamed" ACCESS "An argument of the process or of one above it, of the same agent, names the canary that was opened.";
    CanaryTokens "CanaryTokens" EXEC "Names of canaries whose strings stand in the arguments, as they are or in base64.";
    ImageLoaded "ImageLoaded" IMAGE "Path of the file that was mapped executable.";
    ExeWrittenByAgent "ExeWrittenByAgent" ACTOR "A watched process wrote the executable.";
    ExeAgeSeconds "ExeAgeSeconds" EXEC "Seconds from then to its exec.";
    Operation "Operation" OPERATION "What was done: ptrace, write_memory, signal, bpf, module_load, module_unload, io_uring, mount, unmount, setns, unshare, memfd, userfaultfd, change_root, kexec, set_name, move_cgroup, file_capability, unix_connect.";
    OperationNumber "OperationNumber" OPERATION "The ptrace request, signal, bpf command, CLONE, MS or MFD flags.";
    OperationErrno "OperationErrno" OPERATION "errno that it was refused with; 0 where it was done.";
    OperationPath "OperationPath" OPERATION "Where something is mounted, the new root, the file of a kernel module, that which was given capabilities, or the name of a Unix socket below /run.";
    OperationSource "OperationSource" OPERATION "What is mounted.";
    OperationDetail "OperationDetail" OPERATION "Type of the file system that is mounted; name of a memfd, of an eBPF program, of a module that is removed, of the task from now on.";
    BpfProgramType "BpfProgramType" OPERATION "Number of the type of an eBPF program that is loaded (enum bpf_prog_type).";
    OnHostMounts "OnHostMounts" OPERATION "The process sees the mounts that the detector sees: it is in no mount namespace of its own.";
    TargetProcessId "TargetProcessId" OPERATION "The other process.";
    TargetImage "TargetImage" OPERATION "Its executable, where known.";
    TargetName "TargetName" OPERATION "Its task name, at most 15 bytes.";
    TargetIsDescendant "TargetIsDescendant" OPERATION "It descends from the process that acts.";
    TargetIsSameAgent "TargetIsSameAgent" OPERATION "It belongs to the agent that acts.";
    TargetIsDetector "TargetIsDetector" TOUCHING "What is touched is the detector: its process, its files below /proc, its control group or one above, its executable or its configuration.";

    StdioPeerIp "StdioPeerIp" ACTOR "Remote address of the TCP socket that is the program's standard input, output or error.";
    StdioPeerPort "StdioPeerPort" ACTOR "Its remote port.";
    StdioLocalPort "StdioLocalPort" ACTOR "Its local port.";
    StdioPeerIsLoopback "StdioPeerIsLoopback" ACTOR "The other end is this machine.";
    StdioSockets "StdioSockets" ACTOR "Which of the descriptors 0, 1 and 2 are TCP sockets.";

    Observation "Observation" OBSERVATION "Name of the observation; its own fields stand beside it.";
    SshServer "SshServer" OBSERVATION "Address and port that an SSH client is connected to.";
    SshForwardUse "SshForwardUse" OBSERVATION "What else that client does: remote (connects to a target), local (listens), x11.";
    SshDedicated "SshDedicated" OBSERVATION "The process was connected to nobody else before it spoke SSH.";
    Target "Target" OBSERVATION "Address and port: connected to or listened on by an SSH client; the first one of a scan.";
    TargetIsLoopback "TargetIsLoopback" OBSERVATION "The target, or every target of a scan, is this machine.";
    ScanKind "ScanKind" OBSERVATION "hosts or ports: what was tried in turn.";
    Targets "Targets" OBSERVATION "How many addresses and ports were tried.";
    ScanHosts "ScanHosts" OBSERVATION "How many addresses were tried.";
    Ports "Ports" OBSERVATION "Ports that were tried, at most 32 of them.";
    Refused "Refused" OBSERVATION "How many targets refused or did not answer.";
    Seconds "Seconds" OBSERVATION "Seconds from the first target to the last.";
    FlowRemote "FlowRemote" OBSERVATION "Address and port of the flow that an observation is about.";
    FlowPort "FlowPort" OBSERVATION "Its remote port.";
    FlowIsPrivate "FlowIsPrivate" OBSERVATION "Its remote address is private, link-local or shared.";
    FlowIsLoopback "FlowIsLoopback" OBSERVATION "Its remote address is this machine.";
    FlowTls "FlowTls" OBSERVATION "TLS of a flow with the cadence of a pool: none, named (with SNI) or unnamed.";
    FlowAgeSeconds "FlowAgeSeconds" OBSERVATION "Seconds since the flow began.";
    BytesSent "BytesSent" OBSERVATION "Bytes sent over the flow.";
    BytesReceived "BytesReceived" OBSERVATION "Bytes received over the flow.";
    LongestGapSeconds "LongestGapSeconds" OBSERVATION "Longest silence of either side of the flow.";
    TunnelDomain "TunnelDomain" OBSERVATION "Domain below which names were asked for.";
    QueryNames "QueryNames" OBSERVATION "How many different names below it were asked for within a minute.";
    MeanLength "MeanLength" OBSERVATION "Characters of those names below the domain, on average.";
    Entropy "Entropy" OBSERVATION "Bits that a character of those names carries.";
    OddTypes "OddTypes" OBSERVATION "Most questions were for types that carry text: TXT, NULL, CNAME, MX, SRV.";
    QueryExample "QueryExample" OBSERVATION "One of the names.";
    ShellEvidence "ShellEvidence" OBSERVATION "How a shell and a flow belong together: descriptors, received, parent, pipeline, interpreter.";
    ShellProcessId "ShellProcessId" OBSERVATION "Process of the shell behind a relay.";
    NewCode "NewCode" OBSERVATION "File that an agent's processes wrote and that is run now.";
    NewCodeKind "NewCodeKind" OBSERVATION "How it is run: program, script (by its interpreter), library (mapped).";
    NewCodeAgeSeconds "NewCodeAgeSeconds" OBSERVATION "Seconds since it was written last.";
    WrittenBy "WrittenBy" OBSERVATION "Executable of the process that wrote it.";
    WriterCommandLine "WriterCommandLine" OBSERVATION "Command line of that process.";
    WriterLineage "WriterLineage" OBSERVATION "Tools that this process and those above it are, by name without version: executables, scripts, Python modules; none that an agent wrote.";
    FetchedBy "FetchedBy" OBSERVATION "Executable of the writer, or of one beside it in a pipeline, that was connected to elsewhere.";
    FetchedFrom "FetchedFrom" OBSERVATION "What that one was connected to.";
    MiningScore "MiningScore" OBSERVATION "Points for mining, by rules/weights/mining.yml.";
    MiningCertainty "MiningCertainty" OBSERVATION "possible, likely or sure.";
    MiningPool "MiningPool" OBSERVATION "It is sure, and a pool is spoken to or named.";
    MiningMarks "MiningMarks" OBSERVATION "What speaks for it, the heaviest first: names of rules/weights/mining.yml.";
    MiningFor "MiningFor" OBSERVATION "The same with points and facts, a line each.";
    MiningAgainst "MiningAgainst" OBSERVATION "What speaks against it, a line each.";
    MiningUnseen "MiningUnseen" OBSERVATION "What could not be seen, a line each.";
    WalletFile "WalletFile" OBSERVATION "Path of a file with a wallet address and a mining pool.";
    PoolWords "PoolWords" OBSERVATION "What in it speaks of a pool: stratum, pools (a list of them, or an option of miners), endpoint (host and port), url.";
    PoolEndpoints "PoolEndpoints" OBSERVATION "Hosts and ports in it.";
    GpuDevices "GpuDevices" OBSERVATION "GPUs that it is about: the index, and for a part of one by MIG the numbers of the instances.";
    GpuName "GpuName" OBSERVATION "Product name of the first of them.";
    GpuShape "GpuShape" OBSERVATION "What work on a GPU looks like: varied, unclear, flat (power, memory, traffic), memory_bound (flat, waits for memory), core_bound (flat, the memory's clock held down).";
    GpuSeconds "GpuSeconds" OBSERVATION "Seconds that were looked at.";
    GpuMemory "GpuMemory" OBSERVATION "Bytes of GPU memory that the process holds.";
    TasksRegistered "TasksRegistered" OBSERVATION "Whether tasks are registered on this machine.";
    GpuSetting "GpuSetting" OBSERVATION "Setting of a GPU that changed: power limit, persistence mode, memory clock.";
    GpuBefore "GpuBefore" OBSERVATION "What it was.";
    GpuAfter "GpuAfter" OBSERVATION "What it is.";
    GpuSetBy "GpuSetBy" OBSERVATION "Why this process is named: command (it ran a tool that sets this, just before), holder (it was on the device).";
    DetachedBy "DetachedBy" OBSERVATION "How a daemon detached: setsid, double_fork, nohup, disown, tmux, screen and their kin, or background.";
    StartedBy "StartedBy" OBSERVATION "Command that a daemon outlived.";
    OutlivesWhat "OutlivesWhat" OBSERVATION "What a daemon outlived: agent, tool_call (it was started in one that is over) or command.";
    OutlivedSeconds "OutlivedSeconds" OBSERVATION "Seconds since what started the daemon ended.";
    Listens "Listens" OBSERVATION "Addresses that a daemon listens on, such as 0.0.0.0:8080/tcp; at most 8.";
    ListensReachable "ListensReachable" OBSERVATION "Other machines reach one of them.";
    Connects "Connects" OBSERVATION "Where a daemon is connected to, likewise.";
    ConnectsPublic "ConnectsPublic" OBSERVATION "It is or was connected to a public address.";
    Writes "Writes" OBSERVATION "Files that a daemon opened for writing, the first 4.";
    Runs "Runs" OBSERVATION "Commands of its children, at most 4.";
    KeepsWorking "KeepsWorking" OBSERVATION "It connected, wrote, executed something or used a fifth of a processor in 5 minutes.";
    ExpectedDaemon "ExpectedDaemon" OBSERVATION "known (a helper of developers), declared (in the configuration), or no.";
    CpuProcessors "CpuProcessors" OBSERVATION "Processors that a process uses, such as 1.5.";
    CpuUserPercent "CpuUserPercent" OBSERVATION "Percent of that in user mode.";
    CpuThreads "CpuThreads" OBSERVATION "How many of its threads are busy.";
    RequestManager "RequestManager" OBSERVATION "Who is asked: systemd, docker, podman, containerd, cri-o, kubernetes, machined, dbus, sshd, cron, at.";
    RequestVia "RequestVia" OBSERVATION "command (line of a client), socket, or flow.";
    RequestVerb "RequestVerb" OBSERVATION "What for, in the manager's word: run, start, enable, exec, connect, login.";
    RequestCommand "RequestCommand" OBSERVATION "What is to be run or called, as far as it is said.";
    RequestOptions "RequestOptions" OBSERVATION "user, scope, timer, now, detached, restart, privileged, capabilities, unconfined, device, cgroup_parent, host_root, host_system, host_pid, host_network, host_ipc, host_users, host_cgroups, engine_socket.";
    RequestUnit "RequestUnit" OBSERVATION "Name that the new unit gets.";
    StartedCgroup "StartedCgroup" OBSERVATION "Control group that appeared outside of the agent after a request.";
    StartedTie "StartedTie" OBSERVATION "What ties it to the request: name or time.";
    Effect "Effect" OBSERVATION "What a process did while no tool call was in flight: connection, listener, own_program or persistence.";
    EffectTarget "EffectTarget" OBSERVATION "The address or file that this was about.";
    Membership "Membership" CGROUP "left, joined or within: what the move means for the watch.";
    TargetCgroupPath "TargetCgroupPath" CGROUP "Control group that the process was moved to.";
    MovedProcessId "MovedProcessId" CGROUP "Process that was moved.";
    LostEvents "LostEvents" SENSOR "How many events were lost since the last report.";
    LostKind "LostKind" SENSOR "Kind of the lost events.";

    Agent "Agent" ANY "Name of the agent.";
    Container "Container" ANY "Container id from the control group path.";
    Pod "Pod" ANY "Pod UID from the control group path.";
    CgroupPath "CgroupPath" ANY "Control group of the process, below the cgroup2 mount.";
    Ancestors "Ancestors" ACTOR "Executables of parent, grandparent and so on.";
    AncestorCommandLines "AncestorCommandLines" ACTOR "Command lines of the same.";
    ProcessTree "ProcessTree" ACTOR "Identity of the topmost process of this agent above (or at) the process.";
    HasTask "HasTask" ACTOR "Whether a task of the agent runs that the process can work for; absent where no task was ever registered.";
    TaskId "TaskId" ACTOR "Id of that task.";
    TaskName "TaskName" ACTOR "Its name.";
    Declared "Declared" ACTOR "Whether a task named what is judged; absent where no task was ever registered.";
    HasToolCall "HasToolCall" ACTOR "Whether a tool call of the agent was in flight; absent where calls are not told as they begin.";
    ToolCallId "ToolCallId" ACTOR "Id of the tool call in flight that began last.";
    ToolName "ToolName" ACTOR "Its tool.";
}

/// Fields of Sigma's own categories that a Linux kernel sensor has no value for: a rule that needs
/// one is kept, and does not match on it.
pub(super) const NOT_OFFERED: &[&str] = &[
    "LogonId",
    "Hashes",
    "OriginalFileName",
    "Product",
    "Company",
    "Description",
    "IntegrityLevel",
    "SourceHostname",
    "ParentUser",
    "ProcessGuid",
    "ParentProcessGuid",
    "LogonGuid",
];

/// Every field that rules may ask for.
pub fn fields() -> &'static [Field] {
    FIELDS
}

/// Slots of the open-addressed name table; a power of two well above the number of fields.
const SLOTS: usize = 512;
/// Slot to field number; [`FREE`] where empty.
static TABLE: [u8; SLOTS] = table();
const FREE: u8 = u8::MAX;

const _: () = assert!(FIELDS.len() < SLOTS / 2 && IDS.len() == FIELDS.len());

/// The field with this name. Names are looked up several times an event, hence no chain of string
/// comparisons: a hash of length and three bytes leads to one or two of them.
pub(super) fn id(name: &str) -> Option<FieldId> {
    let mut slot = hash(name.as_bytes());
    loop {
        let at = usize::from(*TABLE.get(slot)?);
        let field = FIELDS.get(at)?;
        if field.name == name {
            return IDS.get(at).copied();
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[expect(clippy::indexing_slicing, reason = "a const fn has no get(); each index is below len")]
const fn hash(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] as usize, name[len / 2] as usize, name[len - 1] as usize);
    (len * 7 + first * 31 + middle * 101 + last * 13) % SLOTS
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn table() -> [u8; SLOTS] {
    let mut table = [FREE; SLOTS];
    let mut at = 0;
    while at < FIELDS.len() {
        let mut slot = hash(FIELDS[at].name.as_bytes());
        while table[slot] != FREE {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name_and_no_other() {
        for (at, field) in FIELDS.iter().enumerate() {
            assert_eq!(id(field.name), Some(IDS[at]), "{}", field.name);
        }
        for name in ["", "Imagee", "image", "LogonId", "\u{e9}"] {
            assert_eq!(id(name), None, "{name}");
        }
    }

    #[test]
    fn every_field_says_what_it_is() {
        for field in FIELDS {
            assert!(field.doc.ends_with('.') && !field.categories.is_empty(), "{}", field.name);
        }
    }
}
