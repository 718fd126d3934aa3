//! The `detector` binary.

fn main() -> std::process::ExitCode {
    detector::cli::main()
}
