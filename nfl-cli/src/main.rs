//! `nflc`: the command line of the NFL compiler and machine.
//!
//! In: arguments. Out: files, text, and an exit status: 0 well, 1 the input is wrong or the answer
//! is no, 2 usage, settings or files, 101 an internal error. Guaranteed: standard output carries
//! what was asked for and nothing else; prose and findings go to standard error; a file is written
//! as a whole or not at all.
#![forbid(unsafe_code)]

mod args;
mod artifact;
mod build;
mod capture;
mod check;
mod conform;
mod debug;
mod difference;
mod disasm;
mod doc;
mod elf;
mod engine;
mod explain;
mod failure;
mod fix;
mod fmt;
mod imports;
mod inspect;
mod key;
mod new;
mod output;
mod play;
mod profile;
mod project;
mod replay;
mod run;
mod shell;
mod sign;
mod size;
mod source;
mod stats;
mod table;
mod test;
mod time;
mod verify;
mod world;

use args::Command;
use clap::Parser;
use shell::Shell;
use std::process::ExitCode;

fn main() -> ExitCode {
    failure::report_panics();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::explain_usage(&error),
    };
    let mut shell = Shell::new(&cli.global);
    let ready = shell.take_levels(&cli.global);
    let done = ready.and_then(|()| match &cli.command {
        Command::New(args) => new::run(args, &mut shell),
        Command::Check(args) => check::run(args, &mut shell),
        Command::Build(args) => build::run(args, &mut shell),
        Command::Test(args) => test::run(args, &mut shell),
        Command::Run(args) => run::run(args, &mut shell),
        Command::Profile(args) => profile::run(args, &mut shell),
        Command::Debug(args) => debug::run(args, &mut shell),
        Command::World(args) => world::run(args, &mut shell),
        Command::Inspect(args) => inspect::run(args, &mut shell),
        Command::Disasm(args) => disasm::run(args, &mut shell),
        Command::Size(args) => size::run(args, &mut shell),
        Command::Sign(args) => sign::run(args, &mut shell),
        Command::Verify(args) => verify::run(args, &mut shell),
        Command::Key(args) => key::run(args, &mut shell),
        Command::Conform(args) => conform::run(args, &mut shell),
        Command::Engine(args) => engine::run(args, &mut shell),
        Command::Doc(args) => doc::run(args, &mut shell),
        Command::Fmt(args) => fmt::run(args, &mut shell),
        Command::Fix(args) => fix::run(args, &mut shell),
        Command::Explain(args) => explain::run(args, &mut shell),
    });
    match done.and_then(|()| shell.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => shell.fail(&failure),
    }
}
