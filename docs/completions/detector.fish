# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_detector_global_optspecs
    string join \n log= h/help V/version
end

function __fish_detector_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_detector_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_detector_using_subcommand
    set -l cmd (__fish_detector_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c detector -n "__fish_detector_needs_command" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_needs_command" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_needs_command" -f -a "run" -d 'Watch the agents of a configuration until told to stop'
complete -c detector -n "__fish_detector_needs_command" -f -a "wrap" -d 'Run a command as an agent: in a control group of its own, watched from its first instruction'
complete -c detector -n "__fish_detector_needs_command" -f -a "replay" -d 'Judge recordings again, on any machine, without root or kernel'
complete -c detector -n "__fish_detector_needs_command" -f -a "record" -d 'Record what the sensors see of a command, or of the agents of a configuration until Ctrl-C'
complete -c detector -n "__fish_detector_needs_command" -f -a "alerts" -d 'List alerts and incidents, show one, acknowledge, mute'
complete -c detector -n "__fish_detector_needs_command" -f -a "explain" -d 'Say why there was an alert: its rule, what matched, the story, what would have silenced it'
complete -c detector -n "__fish_detector_needs_command" -f -a "sinks" -d 'Look after the sinks: where alerts go, whether they get there, and what waits'
complete -c detector -n "__fish_detector_needs_command" -f -a "config" -d 'Show or check the configuration'
complete -c detector -n "__fish_detector_needs_command" -f -a "rules" -d 'Check, list, show, test and explain rules'
complete -c detector -n "__fish_detector_needs_command" -f -a "doctor" -d 'Say what this kernel and these privileges allow, and what is not covered'
complete -c detector -n "__fish_detector_needs_command" -f -a "gpu" -d 'Show what the GPUs do and who uses them'
complete -c detector -n "__fish_detector_needs_command" -f -a "canary" -d 'Plant decoys that nobody is asked to open, list them, and see whether they alarm'
complete -c detector -n "__fish_detector_needs_command" -f -a "task" -d 'Tell the daemon what agents are meant to do'
complete -c detector -n "__fish_detector_needs_command" -f -a "digest" -d 'Tell what agents did: programs, destinations, files of note, near misses'
complete -c detector -n "__fish_detector_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c detector -n "__fish_detector_needs_command" -f -a "docs" -d 'Write the generated documents: references, completions, man pages'
complete -c detector -n "__fish_detector_using_subcommand run" -l config -d 'Configuration file' -r -F
complete -c detector -n "__fish_detector_using_subcommand run" -l record -d 'Record what the sensors see, too' -r -F
complete -c detector -n "__fish_detector_using_subcommand run" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand run" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand run" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand wrap" -l name -d 'What alerts call the agent; the command\'s name otherwise' -r
complete -c detector -n "__fish_detector_using_subcommand wrap" -l alerts -d 'Write alerts as JSON lines to this file, `-` for standard output' -r -F
complete -c detector -n "__fish_detector_using_subcommand wrap" -l show -d 'Least level that is shown on standard error' -r -f -a "informational\t'Worth knowing, nothing more'
low\t'Odd, mostly harmless'
medium\t'Worth a look today'
high\t'Worth a look now'
critical\t'Worth waking a person'"
complete -c detector -n "__fish_detector_using_subcommand wrap" -l config -d 'Configuration file, for rules, sinks and kernel settings' -r -F
complete -c detector -n "__fish_detector_using_subcommand wrap" -l record -d 'Record what the sensors see, too' -r -F
complete -c detector -n "__fish_detector_using_subcommand wrap" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand wrap" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand wrap" -s q -l quiet -d 'Show nothing on standard error'
complete -c detector -n "__fish_detector_using_subcommand wrap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand wrap" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand replay" -l rules -d 'Rules from this file or directory, beside the built-in ones; may be given again' -r -F
complete -c detector -n "__fish_detector_using_subcommand replay" -l alerts -d 'Where alerts go; `-` is standard output' -r -F
complete -c detector -n "__fish_detector_using_subcommand replay" -l store -d 'Put alerts down in this store, too: `detector alerts` and `detector explain` read it' -r -F
complete -c detector -n "__fish_detector_using_subcommand replay" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand replay" -l no-builtin -d 'Leave the built-in rules out'
complete -c detector -n "__fish_detector_using_subcommand replay" -l stats -d 'Print events, seconds and events a second to standard error'
complete -c detector -n "__fish_detector_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand replay" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand record" -s o -l output -d 'Recording to write' -r -F
complete -c detector -n "__fish_detector_using_subcommand record" -l config -d 'Configuration file that names the agents' -r -F
complete -c detector -n "__fish_detector_using_subcommand record" -l name -d 'What the agent is called, with a command' -r
complete -c detector -n "__fish_detector_using_subcommand record" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand record" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l level -d 'Of this level and above' -r -f -a "informational\t'Worth knowing, nothing more'
low\t'Odd, mostly harmless'
medium\t'Worth a look today'
high\t'Worth a look now'
critical\t'Worth waking a person'"
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l agent -d 'Of this agent, by name' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l rule -d 'Of rules with this id, or with this in their title' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l incident -d 'Of this incident' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l since -d 'Since so long ago (30m, 24h, 7d), or since a time (2026-11-21, 2026-11-21T20:00, 2026-11-21T20:00:00Z)' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l limit -d 'At most so many, the newest' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -s f -l follow -d 'Go on: show alerts as they come, and those that repeat'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l json -d 'JSON, one a line'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -l incidents -d 'One line an incident'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -f -a "show" -d 'Show an alert or an incident'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -f -a "ack" -d 'Acknowledge an incident: people are told no more of it unless it becomes graver'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -f -a "mute" -d 'Keep alerts from people for a while'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -f -a "mutes" -d 'List the mutes that hold'
complete -c detector -n "__fish_detector_using_subcommand alerts; and not __fish_seen_subcommand_from show ack mute mutes unmute" -f -a "unmute" -d 'Take a mute back'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -l json -d 'JSON instead of a card'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l by -d 'Who acknowledges; the user where not given' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from ack" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l rule -d 'Alerts of this rule: id, beginning of an id, title, or file name without ending' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l agent -d 'Alerts of this agent' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l exe -d 'Alerts about this executable' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l for -d 'For how long, 90 days at most: 2h, 3d' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l reason -d 'Why' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l by -d 'Who mutes; the user where not given' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mute" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -l json -d 'JSON, one a line'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from mutes" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from unmute" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from unmute" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from unmute" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from unmute" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand alerts; and __fish_seen_subcommand_from unmute" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand explain" -l rules -d 'Rules from this file or directory, beside those of the configuration; may be given again' -r -F
complete -c detector -n "__fish_detector_using_subcommand explain" -l html -d 'Write a report of the whole incident to this file: one HTML file that asks for nothing else' -r -F
complete -c detector -n "__fish_detector_using_subcommand explain" -l store -d 'Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand explain" -l config -d 'Configuration file of the daemon, for its `[store] path` and its rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand explain" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand explain" -l json -d 'JSON instead of text'
complete -c detector -n "__fish_detector_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand explain" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -f -a "list" -d 'List the sinks of the configuration, what they take and how they fare'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -f -a "test" -d 'Send a test message and say what becomes of it; exit status 1 where one does not arrive'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -f -a "pending" -d 'List the messages that have not arrived, those that were given up too'
complete -c detector -n "__fish_detector_using_subcommand sinks; and not __fish_seen_subcommand_from list test pending retry" -f -a "retry" -d 'Put messages that were given up back into their queues; a daemon that runs sends them'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -l json -d 'One JSON object a line'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from test" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -l json -d 'One JSON object a line'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from pending" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -l json -d 'One JSON object a line'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand sinks; and __fish_seen_subcommand_from retry" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand config; and not __fish_seen_subcommand_from show check" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand config; and not __fish_seen_subcommand_from show check" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand config; and not __fish_seen_subcommand_from show check" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand config; and not __fish_seen_subcommand_from show check" -f -a "show" -d 'Print the configuration as it counts, as TOML; secrets are hidden'
complete -c detector -n "__fish_detector_using_subcommand config; and not __fish_seen_subcommand_from show check" -f -a "check" -d 'Check the configuration as a start does: rules, sinks and secrets included'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Configuration file; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -l store -d 'Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand config; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "check" -d 'Say whether rules can be used, and what is wrong with those that cannot'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "list" -d 'List the rules that judge'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "show" -d 'Print a rule'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "test" -d 'Run the exemplars inside the rules'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "weights" -d 'Show the numbers and weights that analyses judge by, each with its reason'
complete -c detector -n "__fish_detector_using_subcommand rules; and not __fish_seen_subcommand_from check list show test weights explain" -f -a "explain" -d 'Say why a rule matches an event, or does not'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from check" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from list" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from list" -l json -d 'One JSON array instead of a table'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from show" -l rules -d 'Rule files and directories, beside the built-in rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from show" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from test" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from test" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from weights" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from weights" -l json -d 'One JSON array instead of text'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from weights" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from weights" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from explain" -l event -d 'The event: a JSON object of Sigma fields, or a file with one' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from explain" -l rules -d 'Rule files and directories, beside the built-in rules' -r -F
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from explain" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand rules; and __fish_seen_subcommand_from explain" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand doctor" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand doctor" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand gpu" -l config -d 'Configuration file, for the names of agents and the NVML library' -r -F
complete -c detector -n "__fish_detector_using_subcommand gpu" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand gpu" -l watch -d 'Go on, a sample each interval of the configuration, until interrupted'
complete -c detector -n "__fish_detector_using_subcommand gpu" -l json -d 'As JSON; one line a sample with --watch'
complete -c detector -n "__fish_detector_using_subcommand gpu" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand gpu" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -f -a "plant" -d 'Write a decoy that looks real, opens nothing and is unlike any other'
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -f -a "list" -d 'List the canaries, with inode and age, and whether each still stands in its place'
complete -c detector -n "__fish_detector_using_subcommand canary; and not __fish_seen_subcommand_from plant list check" -f -a "check" -d 'See whether each canary is in place, unchanged, unread as far as its time of access tells, and alarms'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l kind -d 'What it pretends to be' -r -f -a "aws\t'Access keys of AWS, as in `~/.aws/credentials`'
ssh\t'A private key of OpenSSH'
wallet\t'A wallet: `wallet.dat`, or an Ethereum keystore under any other name'
env\t'Environment of an application, with its database URL'
kubeconfig\t'Access to a Kubernetes cluster'
gcloud\t'Key of a service account of Google Cloud'
file\t'A list of passwords, or any file'"
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l path -d 'Where to plant it; below the home directory, as listed here, where not given' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l name -d 'What alerts call it; the kind and a number where not given' -r
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l config -d 'Configuration file, for its [[canary]] entries and its `canary_file`' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l state -d 'Where planted canaries are written down; otherwise `canary_file` of the configuration, otherwise /var/lib/detector/canaries.toml' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from plant" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -l config -d 'Configuration file, for its [[canary]] entries and its `canary_file`' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -l state -d 'Where planted canaries are written down; otherwise `canary_file` of the configuration, otherwise /var/lib/detector/canaries.toml' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -l config -d 'Configuration file, for its [[canary]] entries and its `canary_file`' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -l state -d 'Where planted canaries are written down; otherwise `canary_file` of the configuration, otherwise /var/lib/detector/canaries.toml' -r -F
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -l json -d 'As JSON'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand canary; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -f -a "start" -d 'Begin a task, and print its id; with a command, run it and end the task with it'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -f -a "list" -d 'List the tasks that run'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -f -a "end" -d 'End a task'
complete -c detector -n "__fish_detector_using_subcommand task; and not __fish_seen_subcommand_from start list end call" -f -a "call" -d 'Tell that an agent\'s tool call begins or ends'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l agent -d 'Agent, by its name or the path of its control group' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l expect -d 'What it is expected to do: gpu, cpu, listen:PORT, egress:HOST (and names below it), daemon:NAME' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l exe -d 'Only processes whose executable matches this glob; one without a slash is over file names' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l ttl -d 'When it expires by itself; after a day where not given' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l name -d 'What alerts call it; its id where not given' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l socket -d 'Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l config -d 'Configuration file of the daemon, for its `[tasks] socket`' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from start" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -l socket -d 'Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -l config -d 'Configuration file of the daemon, for its `[tasks] socket`' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from end" -l socket -d 'Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from end" -l config -d 'Configuration file of the daemon, for its `[tasks] socket`' -r -F
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from end" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from end" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from call" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from call" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from call" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from call" -f -a "start" -d 'A call begins; prints its id'
complete -c detector -n "__fish_detector_using_subcommand task; and __fish_seen_subcommand_from call" -f -a "end" -d 'A call came back'
complete -c detector -n "__fish_detector_using_subcommand digest" -l since -d 'Since when: 30m, 24h, 7d' -r
complete -c detector -n "__fish_detector_using_subcommand digest" -l agent -d 'Of this agent alone' -r
complete -c detector -n "__fish_detector_using_subcommand digest" -l send -d 'Send it to this sink, or to those of `[digest]`; all that people read where none is named' -r
complete -c detector -n "__fish_detector_using_subcommand digest" -l config -d 'Configuration file, for the store, workspaces and sinks; /etc/detector/config.toml where there is one' -r -F
complete -c detector -n "__fish_detector_using_subcommand digest" -l store -d 'The store; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db' -r -F
complete -c detector -n "__fish_detector_using_subcommand digest" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand digest" -l json -d 'As one JSON object'
complete -c detector -n "__fish_detector_using_subcommand digest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c detector -n "__fish_detector_using_subcommand digest" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand completions" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand completions" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand completions" -s V -l version -d 'Print version'
complete -c detector -n "__fish_detector_using_subcommand docs" -l out -d 'Directory' -r -F
complete -c detector -n "__fish_detector_using_subcommand docs" -l log -d 'What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug' -r
complete -c detector -n "__fish_detector_using_subcommand docs" -s h -l help -d 'Print help'
complete -c detector -n "__fish_detector_using_subcommand docs" -s V -l version -d 'Print version'
