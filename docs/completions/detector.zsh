#compdef detector

autoload -U is-at-least

_detector() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector_commands" \
"*::: :->detector" \
&& ret=0
    case $state in
    (detector)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--record=[Record what the sensors see, too]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(wrap)
_arguments "${_arguments_options[@]}" : \
'--name=[What alerts call the agent; the command'\''s name otherwise]:NAME:_default' \
'--alerts=[Write alerts as JSON lines to this file, \`-\` for standard output]:FILE:_files' \
'--show=[Least level that is shown on standard error]:LEVEL:((informational\:"Worth knowing, nothing more"
low\:"Odd, mostly harmless"
medium\:"Worth a look today"
high\:"Worth a look now"
critical\:"Worth waking a person"))' \
'--config=[Configuration file, for rules, sinks and kernel settings]:FILE:_files' \
'--record=[Record what the sensors see, too]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-q[Show nothing on standard error]' \
'--quiet[Show nothing on standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'*::command -- The command and its arguments:_default' \
&& ret=0
;;
(replay)
_arguments "${_arguments_options[@]}" : \
'*--rules=[Rules from this file or directory, beside the built-in ones; may be given again]:DIR:_files' \
'--alerts=[Where alerts go; \`-\` is standard output]:FILE:_files' \
'--store=[Put alerts down in this store, too\: \`detector alerts\` and \`detector explain\` read it]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--no-builtin[Leave the built-in rules out]' \
'--stats[Print events, seconds and events a second to standard error]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'*::files -- Recordings, each replayed on its own:_files' \
&& ret=0
;;
(record)
_arguments "${_arguments_options[@]}" : \
'-o+[Recording to write]:FILE:_files' \
'--output=[Recording to write]:FILE:_files' \
'--config=[Configuration file that names the agents]:FILE:_files' \
'--name=[What the agent is called, with a command]:NAME:_default' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'*::command -- A command to run and record:_default' \
&& ret=0
;;
(alerts)
_arguments "${_arguments_options[@]}" : \
'--level=[Of this level and above]:LEVEL:((informational\:"Worth knowing, nothing more"
low\:"Odd, mostly harmless"
medium\:"Worth a look today"
high\:"Worth a look now"
critical\:"Worth waking a person"))' \
'--agent=[Of this agent, by name]:NAME:_default' \
'--rule=[Of rules with this id, or with this in their title]:RULE:_default' \
'--incident=[Of this incident]:ID:_default' \
'--since=[Since so long ago (30m, 24h, 7d), or since a time (2026-11-21, 2026-11-21T20\:00, 2026-11-21T20\:00\:00Z)]:WHEN:_default' \
'--limit=[At most so many, the newest]:NUMBER:_default' \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'(--incidents)-f[Go on\: show alerts as they come, and those that repeat]' \
'(--incidents)--follow[Go on\: show alerts as they come, and those that repeat]' \
'--json[JSON, one a line]' \
'(--rule --incident)--incidents[One line an incident]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__alerts_commands" \
"*::: :->alerts" \
&& ret=0

    case $state in
    (alerts)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-alerts-command-$line[1]:"
        case $line[1] in
            (show)
_arguments "${_arguments_options[@]}" : \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[JSON instead of a card]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- Id of an alert or incident, or the beginning or end of it:_default' \
&& ret=0
;;
(ack)
_arguments "${_arguments_options[@]}" : \
'--by=[Who acknowledges; the user where not given]:NAME:_default' \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- Id of an incident, or of an alert of it; or the beginning or end of one:_default' \
&& ret=0
;;
(mute)
_arguments "${_arguments_options[@]}" : \
'--rule=[Alerts of this rule\: id, beginning of an id, title, or file name without ending]:RULE:_default' \
'--agent=[Alerts of this agent]:NAME:_default' \
'--exe=[Alerts about this executable]:PATH:_default' \
'--for=[For how long, 90 days at most\: 2h, 3d]:DURATION:_default' \
'--reason=[Why]:TEXT:_default' \
'--by=[Who mutes; the user where not given]:NAME:_default' \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'::alert -- Id of an alert, or the beginning or end of it\: its rule, agent and executable are muted:_default' \
&& ret=0
;;
(mutes)
_arguments "${_arguments_options[@]}" : \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(unmute)
_arguments "${_arguments_options[@]}" : \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- Id of the mute, or the beginning or end of it:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'*--rules=[Rules from this file or directory, beside those of the configuration; may be given again]:DIR:_files' \
'(--json)--html=[Write a report of the whole incident to this file\: one HTML file that asks for nothing else]:FILE:_files' \
'--store=[Store of alerts; otherwise what \`DETECTOR_STORE\` or the configuration says, otherwise /var/lib/detector/state.db]:FILE:_files' \
'--config=[Configuration file of the daemon, for its \`\[store\] path\` and its rules]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[JSON instead of text]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- Id of an alert or incident, or the beginning or end of it:_default' \
&& ret=0
;;
(sinks)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__sinks_commands" \
"*::: :->sinks" \
&& ret=0

    case $state in
    (sinks)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-sinks-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(test)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'::name -- Sink; all where none is named:_default' \
&& ret=0
;;
(pending)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'::name -- Sink; all where none is named:_default' \
&& ret=0
;;
(retry)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'::letter -- Sink, or number of a message as `pending` shows it; all where none is named:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(config)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-config-command-$line[1]:"
        case $line[1] in
            (show)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[Where alerts are kept; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(rules)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__rules_commands" \
"*::: :->rules" \
&& ret=0

    case $state in
    (rules)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-rules-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'*::paths -- Rule files and directories, beside the built-in rules:_files' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON array instead of a table]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'*::paths -- Rule files and directories, beside the built-in rules:_files' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'*--rules=[Rule files and directories, beside the built-in rules]:PATHS:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':rule -- Id, beginning of an id, title, or file name without ending:_default' \
&& ret=0
;;
(test)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'*::paths -- Rule files and directories; the built-in rules where none is given:_files' \
&& ret=0
;;
(weights)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON array instead of text]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
'*::paths -- Rule files and directories, beside the built-in rules; their directories `weights` count:_files' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'--event=[The event\: a JSON object of Sigma fields, or a file with one]:EVENT:_default' \
'*--rules=[Rule files and directories, beside the built-in rules]:PATHS:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':rule -- Id, beginning of an id, title, or file name without ending:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(gpu)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file, for the names of agents and the NVML library]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--watch[Go on, a sample each interval of the configuration, until interrupted]' \
'--json[As JSON; one line a sample with --watch]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(canary)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__canary_commands" \
"*::: :->canary" \
&& ret=0

    case $state in
    (canary)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-canary-command-$line[1]:"
        case $line[1] in
            (plant)
_arguments "${_arguments_options[@]}" : \
'--kind=[What it pretends to be]:KIND:((aws\:"Access keys of AWS, as in \`~/.aws/credentials\`"
ssh\:"A private key of OpenSSH"
wallet\:"A wallet\: \`wallet.dat\`, or an Ethereum keystore under any other name"
env\:"Environment of an application, with its database URL"
kubeconfig\:"Access to a Kubernetes cluster"
gcloud\:"Key of a service account of Google Cloud"
file\:"A list of passwords, or any file"))' \
'--path=[Where to plant it; below the home directory, as listed here, where not given]:FILE:_files' \
'--name=[What alerts call it; the kind and a number where not given]:NAME:_default' \
'--config=[Configuration file, for its \[\[canary\]\] entries and its \`canary_file\`]:FILE:_files' \
'--state=[Where planted canaries are written down; otherwise \`canary_file\` of the configuration, otherwise /var/lib/detector/canaries.toml]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file, for its \[\[canary\]\] entries and its \`canary_file\`]:FILE:_files' \
'--state=[Where planted canaries are written down; otherwise \`canary_file\` of the configuration, otherwise /var/lib/detector/canaries.toml]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file, for its \[\[canary\]\] entries and its \`canary_file\`]:FILE:_files' \
'--state=[Where planted canaries are written down; otherwise \`canary_file\` of the configuration, otherwise /var/lib/detector/canaries.toml]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As JSON]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(task)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__task_commands" \
"*::: :->task" \
&& ret=0

    case $state in
    (task)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-task-command-$line[1]:"
        case $line[1] in
            (start)
_arguments "${_arguments_options[@]}" : \
'--agent=[Agent, by its name or the path of its control group]:AGENT:_default' \
'*--expect=[What it is expected to do\: gpu, cpu, listen\:PORT, egress\:HOST (and names below it), daemon\:NAME]:LIST:_default' \
'--exe=[Only processes whose executable matches this glob; one without a slash is over file names]:PATTERN:_default' \
'--ttl=[When it expires by itself; after a day where not given]:DURATION:_default' \
'--name=[What alerts call it; its id where not given]:NAME:_default' \
'--socket=[Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock]:PATH:_files' \
'--config=[Configuration file of the daemon, for its \`\[tasks\] socket\`]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'*::command -- A command and its arguments; its exit status is passed on:_default' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--socket=[Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock]:PATH:_files' \
'--config=[Configuration file of the daemon, for its \`\[tasks\] socket\`]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(end)
_arguments "${_arguments_options[@]}" : \
'--socket=[Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock]:PATH:_files' \
'--config=[Configuration file of the daemon, for its \`\[tasks\] socket\`]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':id -- Its id:_default' \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_detector__subcmd__task__subcmd__call_commands" \
"*::: :->call" \
&& ret=0

    case $state in
    (call)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:detector-task-call-command-$line[1]:"
        case $line[1] in
            (start)
_arguments "${_arguments_options[@]}" : \
'--agent=[Agent, by its name or the path of its control group; not needed inside of that]:AGENT:_default' \
'--tool=[The tool]:TOOL:_default' \
'--id=[Id of the call; without one, an end is that of the last call of this tool]:ID:_default' \
'--conversation=[Conversation]:CONVERSATION:_default' \
'--socket=[Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock]:PATH:_files' \
'--config=[Configuration file of the daemon, for its \`\[tasks\] socket\`]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(end)
_arguments "${_arguments_options[@]}" : \
'--agent=[Agent, by its name or the path of its control group; not needed inside of that]:AGENT:_default' \
'--tool=[The tool]:TOOL:_default' \
'--id=[Id of the call; without one, an end is that of the last call of this tool]:ID:_default' \
'--conversation=[Conversation]:CONVERSATION:_default' \
'--socket=[Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock]:PATH:_files' \
'--config=[Configuration file of the daemon, for its \`\[tasks\] socket\`]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(digest)
_arguments "${_arguments_options[@]}" : \
'--since=[Since when\: 30m, 24h, 7d]:SPAN:_default' \
'--agent=[Of this agent alone]:NAME:_default' \
'--send=[Send it to this sink, or to those of \`\[digest\]\`; all that people read where none is named]::SINK:_default' \
'--config=[Configuration file, for the store, workspaces and sinks; /etc/detector/config.toml where there is one]:FILE:_files' \
'--store=[The store; otherwise DETECTOR_STORE, \`\[store\] path\`, /var/lib/detector/state.db]:FILE:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'--json[As one JSON object]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
':shell -- Shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(docs)
_arguments "${_arguments_options[@]}" : \
'--out=[Directory]:OUT:_files' \
'--log=[What is logged to standard error\: error, warn, info, debug, or a filter such as detector=debug]:FILTER:_default' \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_detector_commands] )) ||
_detector_commands() {
    local commands; commands=(
'run:Watch the agents of a configuration until told to stop' \
'wrap:Run a command as an agent\: in a control group of its own, watched from its first instruction' \
'replay:Judge recordings again, on any machine, without root or kernel' \
'record:Record what the sensors see of a command, or of the agents of a configuration until Ctrl-C' \
'alerts:List alerts and incidents, show one, acknowledge, mute' \
'explain:Say why there was an alert\: its rule, what matched, the story, what would have silenced it' \
'sinks:Look after the sinks\: where alerts go, whether they get there, and what waits' \
'config:Show or check the configuration' \
'rules:Check, list, show, test and explain rules' \
'doctor:Say what this kernel and these privileges allow, and what is not covered' \
'gpu:Show what the GPUs do and who uses them' \
'canary:Plant decoys that nobody is asked to open, list them, and see whether they alarm' \
'task:Tell the daemon what agents are meant to do' \
'digest:Tell what agents did\: programs, destinations, files of note, near misses' \
'completions:Print shell completions' \
'docs:Write the generated documents\: references, completions, man pages' \
    )
    _describe -t commands 'detector commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts_commands] )) ||
_detector__subcmd__alerts_commands() {
    local commands; commands=(
'show:Show an alert or an incident' \
'ack:Acknowledge an incident\: people are told no more of it unless it becomes graver' \
'mute:Keep alerts from people for a while' \
'mutes:List the mutes that hold' \
'unmute:Take a mute back' \
    )
    _describe -t commands 'detector alerts commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts__subcmd__ack_commands] )) ||
_detector__subcmd__alerts__subcmd__ack_commands() {
    local commands; commands=()
    _describe -t commands 'detector alerts ack commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts__subcmd__mute_commands] )) ||
_detector__subcmd__alerts__subcmd__mute_commands() {
    local commands; commands=()
    _describe -t commands 'detector alerts mute commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts__subcmd__mutes_commands] )) ||
_detector__subcmd__alerts__subcmd__mutes_commands() {
    local commands; commands=()
    _describe -t commands 'detector alerts mutes commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts__subcmd__show_commands] )) ||
_detector__subcmd__alerts__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'detector alerts show commands' commands "$@"
}
(( $+functions[_detector__subcmd__alerts__subcmd__unmute_commands] )) ||
_detector__subcmd__alerts__subcmd__unmute_commands() {
    local commands; commands=()
    _describe -t commands 'detector alerts unmute commands' commands "$@"
}
(( $+functions[_detector__subcmd__canary_commands] )) ||
_detector__subcmd__canary_commands() {
    local commands; commands=(
'plant:Write a decoy that looks real, opens nothing and is unlike any other' \
'list:List the canaries, with inode and age, and whether each still stands in its place' \
'check:See whether each canary is in place, unchanged, unread as far as its time of access tells, and alarms' \
    )
    _describe -t commands 'detector canary commands' commands "$@"
}
(( $+functions[_detector__subcmd__canary__subcmd__check_commands] )) ||
_detector__subcmd__canary__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'detector canary check commands' commands "$@"
}
(( $+functions[_detector__subcmd__canary__subcmd__list_commands] )) ||
_detector__subcmd__canary__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'detector canary list commands' commands "$@"
}
(( $+functions[_detector__subcmd__canary__subcmd__plant_commands] )) ||
_detector__subcmd__canary__subcmd__plant_commands() {
    local commands; commands=()
    _describe -t commands 'detector canary plant commands' commands "$@"
}
(( $+functions[_detector__subcmd__completions_commands] )) ||
_detector__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'detector completions commands' commands "$@"
}
(( $+functions[_detector__subcmd__config_commands] )) ||
_detector__subcmd__config_commands() {
    local commands; commands=(
'show:Print the configuration as it counts, as TOML; secrets are hidden' \
'check:Check the configuration as a start does\: rules, sinks and secrets included' \
    )
    _describe -t commands 'detector config commands' commands "$@"
}
(( $+functions[_detector__subcmd__config__subcmd__check_commands] )) ||
_detector__subcmd__config__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'detector config check commands' commands "$@"
}
(( $+functions[_detector__subcmd__config__subcmd__show_commands] )) ||
_detector__subcmd__config__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'detector config show commands' commands "$@"
}
(( $+functions[_detector__subcmd__digest_commands] )) ||
_detector__subcmd__digest_commands() {
    local commands; commands=()
    _describe -t commands 'detector digest commands' commands "$@"
}
(( $+functions[_detector__subcmd__docs_commands] )) ||
_detector__subcmd__docs_commands() {
    local commands; commands=()
    _describe -t commands 'detector docs commands' commands "$@"
}
(( $+functions[_detector__subcmd__doctor_commands] )) ||
_detector__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'detector doctor commands' commands "$@"
}
(( $+functions[_detector__subcmd__explain_commands] )) ||
_detector__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'detector explain commands' commands "$@"
}
(( $+functions[_detector__subcmd__gpu_commands] )) ||
_detector__subcmd__gpu_commands() {
    local commands; commands=()
    _describe -t commands 'detector gpu commands' commands "$@"
}
(( $+functions[_detector__subcmd__record_commands] )) ||
_detector__subcmd__record_commands() {
    local commands; commands=()
    _describe -t commands 'detector record commands' commands "$@"
}
(( $+functions[_detector__subcmd__replay_commands] )) ||
_detector__subcmd__replay_commands() {
    local commands; commands=()
    _describe -t commands 'detector replay commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules_commands] )) ||
_detector__subcmd__rules_commands() {
    local commands; commands=(
'check:Say whether rules can be used, and what is wrong with those that cannot' \
'list:List the rules that judge' \
'show:Print a rule' \
'test:Run the exemplars inside the rules' \
'weights:Show the numbers and weights that analyses judge by, each with its reason' \
'explain:Say why a rule matches an event, or does not' \
    )
    _describe -t commands 'detector rules commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__check_commands] )) ||
_detector__subcmd__rules__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules check commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__explain_commands] )) ||
_detector__subcmd__rules__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules explain commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__list_commands] )) ||
_detector__subcmd__rules__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules list commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__show_commands] )) ||
_detector__subcmd__rules__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules show commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__test_commands] )) ||
_detector__subcmd__rules__subcmd__test_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules test commands' commands "$@"
}
(( $+functions[_detector__subcmd__rules__subcmd__weights_commands] )) ||
_detector__subcmd__rules__subcmd__weights_commands() {
    local commands; commands=()
    _describe -t commands 'detector rules weights commands' commands "$@"
}
(( $+functions[_detector__subcmd__run_commands] )) ||
_detector__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'detector run commands' commands "$@"
}
(( $+functions[_detector__subcmd__sinks_commands] )) ||
_detector__subcmd__sinks_commands() {
    local commands; commands=(
'list:List the sinks of the configuration, what they take and how they fare' \
'test:Send a test message and say what becomes of it; exit status 1 where one does not arrive' \
'pending:List the messages that have not arrived, those that were given up too' \
'retry:Put messages that were given up back into their queues; a daemon that runs sends them' \
    )
    _describe -t commands 'detector sinks commands' commands "$@"
}
(( $+functions[_detector__subcmd__sinks__subcmd__list_commands] )) ||
_detector__subcmd__sinks__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'detector sinks list commands' commands "$@"
}
(( $+functions[_detector__subcmd__sinks__subcmd__pending_commands] )) ||
_detector__subcmd__sinks__subcmd__pending_commands() {
    local commands; commands=()
    _describe -t commands 'detector sinks pending commands' commands "$@"
}
(( $+functions[_detector__subcmd__sinks__subcmd__retry_commands] )) ||
_detector__subcmd__sinks__subcmd__retry_commands() {
    local commands; commands=()
    _describe -t commands 'detector sinks retry commands' commands "$@"
}
(( $+functions[_detector__subcmd__sinks__subcmd__test_commands] )) ||
_detector__subcmd__sinks__subcmd__test_commands() {
    local commands; commands=()
    _describe -t commands 'detector sinks test commands' commands "$@"
}
(( $+functions[_detector__subcmd__task_commands] )) ||
_detector__subcmd__task_commands() {
    local commands; commands=(
'start:Begin a task, and print its id; with a command, run it and end the task with it' \
'list:List the tasks that run' \
'end:End a task' \
'call:Tell that an agent'\''s tool call begins or ends' \
    )
    _describe -t commands 'detector task commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__call_commands] )) ||
_detector__subcmd__task__subcmd__call_commands() {
    local commands; commands=(
'start:A call begins; prints its id' \
'end:A call came back' \
    )
    _describe -t commands 'detector task call commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__call__subcmd__end_commands] )) ||
_detector__subcmd__task__subcmd__call__subcmd__end_commands() {
    local commands; commands=()
    _describe -t commands 'detector task call end commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__call__subcmd__start_commands] )) ||
_detector__subcmd__task__subcmd__call__subcmd__start_commands() {
    local commands; commands=()
    _describe -t commands 'detector task call start commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__end_commands] )) ||
_detector__subcmd__task__subcmd__end_commands() {
    local commands; commands=()
    _describe -t commands 'detector task end commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__list_commands] )) ||
_detector__subcmd__task__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'detector task list commands' commands "$@"
}
(( $+functions[_detector__subcmd__task__subcmd__start_commands] )) ||
_detector__subcmd__task__subcmd__start_commands() {
    local commands; commands=()
    _describe -t commands 'detector task start commands' commands "$@"
}
(( $+functions[_detector__subcmd__wrap_commands] )) ||
_detector__subcmd__wrap_commands() {
    local commands; commands=()
    _describe -t commands 'detector wrap commands' commands "$@"
}

if [ "$funcstack[1]" = "_detector" ]; then
    _detector "$@"
else
    compdef _detector detector
fi
