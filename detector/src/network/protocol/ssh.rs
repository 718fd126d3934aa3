//! SSH identification strings.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Ssh, marks: &[super::Mark{transport: super::Transport::Tcp, regex: "SSH-2", want: super::Want{bytes:255, again:0, urgent:true}}, super::Mark{transport: super::Transport::Tcp, regex: r"\{.*mining", want: super::Want{bytes:512, again:3, urgent:true}}, super::Mark{transport: super::Transport::Udp, regex: r"..\x01\x00\x00\x01", want: super::Want{bytes:1232, again:3, urgent:false}}], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
