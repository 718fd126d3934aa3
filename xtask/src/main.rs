//! Everything that is done to the project, one file a command: `cargo xtask setup|build|test|vm|fuzz|demo|bench|docs|ci`.

mod bench;
mod build;
mod ci;
mod demo;
mod docs;
mod fuzz;
mod interrupt;
mod live;
mod place;
mod root;
mod setup;
mod shell;
mod table;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Project tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing to build, test and show the detector.
    Setup(setup::Arguments),
    /// Set up, then build the release binary.
    Build,
    /// Set up, then run every test; live tests run as root.
    Test(test::Arguments),
    /// What cargo calls for each test binary when we are not root.
    #[command(hide = true)]
    RunTest(test::Binary),
    /// Run the probes' tests on other kernels, in virtual machines.
    Vm(vm::Arguments),
    /// Try hostile bytes, guided by coverage, on every parser of bytes from kernel and network.
    Fuzz(fuzz::Arguments),
    /// Watch a live agent that misbehaves beside one that works.
    Demo(demo::Arguments),
    /// Measure the cost of watching, as ratios, beside other tools.
    Bench(bench::Arguments),
    /// Write the generated documents.
    Docs(docs::Arguments),
    /// What must hold before a change goes in: format, lints, documents, licences, tests, fuzzing.
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup(arguments) => setup::main(&arguments),
        Task::Build => build::main(),
        Task::Test(arguments) => test::main(&arguments),
        Task::RunTest(arguments) => test::run_one(&arguments),
        Task::Vm(arguments) => vm::main(&arguments),
        Task::Fuzz(arguments) => fuzz::main(&arguments),
        Task::Demo(arguments) => demo::main(&arguments),
        Task::Bench(arguments) => bench::main(&arguments),
        Task::Docs(arguments) => docs::main(&arguments),
        Task::Ci => ci::main(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
