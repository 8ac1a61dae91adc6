//! `nflc debug`: one packet of a capture under a debugger that speaks the GDB remote protocol.
//!
//! In: a program, a world, a capture and the number of a packet. Out: answers to the debugger, and the verdict. Guaranteed: the
//! packets before run as `nflc run` runs them; the debugger writes only what code may write, so whatever it does, the run ends within
//! the proved steps.
//!
//! Memory as the debugger sees it, since the machine gives no addresses to most of it:
//!
//! | address | region |
//! |---|---|
//! | `0x400` | constants |
//! | `0x1000` | code |
//! | `0x10000000` | context |
//! | `0x20000000` | `carried` |
//! | `0x30000000` | the packet from the handler's layer on |
//! | `0x40000000` + `n` · `0x10000` | the value that lookup `n` of the run found, from 0 |
//! | `0x80000000` | scratch |

mod target;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener};

use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{GdbStub, SingleThreadStopReason};
use nfl::abi::codes;
use nfl::{Image, Outcome, Step};

use self::target::{Machine, Resume};
use self::wire::Wire;
use crate::failure::Failure;
use crate::play::{self, Input, Setup};
use crate::shell::Shell;
use crate::stats;

/// Run a handler on one packet of a capture under a debugger
///
/// Speaks the GDB remote protocol. The packets before run as they do with `nflc run`; the debugger
/// meets the handler at its first instruction. `nflc build --emit elf` writes the file from which gdb
/// knows the source lines.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc build mark.nfl --emit elf\n  nflc debug mark.nfl --pcap in.pcap --packet 2 --listen 127.0.0.1:1234\n  gdb-multiarch Mark.resident.elf -ex 'target remote localhost:1234'\n  gdb-multiarch Mark.resident.elf -ex 'target remote | nflc debug mark.nfl --pcap in.pcap --stdio'"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// The packet, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    packet: u64,
    /// Where the debugger connects to; port 0 is any that is free, and is said
    #[arg(
        long,
        value_name = "ADDR:PORT",
        required_unless_present = "stdio",
        conflicts_with = "stdio"
    )]
    listen: Option<SocketAddr>,
    /// Speak to the debugger by standard input and output
    #[arg(long)]
    stdio: bool,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let setup = Setup::new(&args.input, shell)?;
    let mut node = setup.node()?;
    let pcap = &args.input.pcap;
    let (reader, _) = play::open(pcap)?;
    let mut seen = 0;
    for frame in reader {
        let mut frame = frame.map_err(|error| play::capture_failure(pcap, &error))?;
        if frame.index == args.packet {
            let wire = connect(args, shell).map_err(|error| gone(&error.to_string()))?;
            let mut session = Session::new(&setup.image, wire)?;
            let ran = node.run_changed(&mut frame, |step| session.see(step))?;
            session.wait();
            let (text, outcome) = match ran {
                Some(Err(fault)) if session.machine.has_changed => {
                    (format!("{fault}, as the debugger has it"), None)
                }
                Some(ran) => {
                    let outcome = play::or_dropped(ran, || format!("packet {}", frame.index))?;
                    (said(&setup, &outcome), Some(outcome))
                }
                None => ("the handler is not run for it".to_string(), None),
            };
            let text = format!("packet {}: {text}", frame.index);
            // Standard output may belong to the debugger, which reads no more of either once it knows that the run has ended.
            match args.stdio {
                true => shell.note(text),
                false => shell.line(text)?,
            }
            session.end(outcome.as_ref())?;
            return Ok(());
        }
        node.run(&mut frame)?;
        seen += 1;
    }
    let message = format!("the capture has no packet {}: it has {seen}", args.packet);
    Err(Failure::usage(&codes::E900, message).help("packets are counted from 0"))
}

/// Waits for the debugger.
fn connect(args: &Args, shell: &mut Shell) -> io::Result<Wire> {
    let Some(address) = args.listen else {
        return Ok(Wire::stdio());
    };
    let listener = TcpListener::bind(address)?;
    shell.note(format_args!("listening on {}", listener.local_addr()?));
    let (stream, _) = listener.accept()?;
    Wire::tcp(stream)
}

/// What became of the packet.
fn said(setup: &Setup, outcome: &Outcome) -> String {
    let reason = stats::reason(&setup.image.manifest, outcome);
    let reason = reason.map_or(String::new(), |reason| format!("({reason})"));
    let kind = outcome.verdict.kind.text();
    format!("{kind}{reason}, {} steps", outcome.steps.unwrap_or(0))
}

fn gone(why: &str) -> Failure {
    Failure::usage(
        &codes::E901,
        format!("there is no debugger to speak to: {why}"),
    )
}

/// The debugger's side of the protocol, between two answers.
type State = GdbStubStateMachine<'static, Machine, Wire>;

/// A run under a debugger.
struct Session {
    machine: Machine,
    /// Nothing once the debugger has left.
    state: Option<State>,
    /// Why it left, where that was no wish of its own.
    lost: Option<String>,
    is_first: bool,
}

impl Session {
    fn new(image: &Image, wire: Wire) -> Result<Session, Failure> {
        let mut machine = Machine::new(image);
        let state = GdbStub::new(wire).run_state_machine(&mut machine);
        Ok(Session {
            state: Some(state.map_err(|error| gone(&error.to_string()))?),
            machine,
            lost: None,
            is_first: true,
        })
    }

    /// Takes an instruction that is about to run, and lets the debugger look where it wants to stop.
    fn see(&mut self, step: &mut Step<'_>) {
        if self.state.is_none() {
            return;
        }
        let first = std::mem::take(&mut self.is_first);
        let reason = match self.machine.resume {
            // The debugger finds the handler stopped at its first instruction.
            _ if first => None,
            Resume::Step => Some(SingleThreadStopReason::DoneStep),
            Resume::Go if self.machine.breaks_at(step.pc) => {
                Some(SingleThreadStopReason::SwBreak(()))
            }
            Resume::Go => return,
        };
        self.machine.look(step);
        if let Some(reason) = reason {
            self.advance(|state, machine| match state {
                GdbStubStateMachine::Running(stub) => stub.report_stop(machine, reason),
                other => Ok(other),
            });
        }
        self.talk();
        self.machine.apply(step);
    }

    /// Answers the debugger until it lets the handler run.
    fn talk(&mut self) {
        loop {
            match &mut self.state {
                Some(GdbStubStateMachine::Idle(stub)) => match stub.borrow_conn().read() {
                    Ok(Some(byte)) => self.advance(|state, machine| match state {
                        GdbStubStateMachine::Idle(stub) => stub.incoming_data(machine, byte),
                        other => Ok(other),
                    }),
                    Ok(None) => self.leave(None),
                    Err(error) => self.leave(Some(error.to_string())),
                },
                Some(GdbStubStateMachine::CtrlCInterrupt(_)) => {
                    let stop = Some(SingleThreadStopReason::DoneStep);
                    self.advance(|state, machine| match state {
                        GdbStubStateMachine::CtrlCInterrupt(stub) => {
                            stub.interrupt_handled(machine, stop)
                        }
                        other => Ok(other),
                    });
                }
                Some(GdbStubStateMachine::Disconnected(_)) => self.leave(None),
                Some(GdbStubStateMachine::Running(_)) | None => return,
            }
        }
    }

    fn advance(
        &mut self,
        by: impl FnOnce(State, &mut Machine) -> Result<State, target::ProtocolError>,
    ) {
        let Some(state) = self.state.take() else {
            return;
        };
        match by(state, &mut self.machine) {
            Ok(state) => self.state = Some(state),
            Err(error) => self.lost = Some(error.to_string()),
        }
    }

    fn leave(&mut self, why: Option<String>) {
        self.state = None;
        self.lost = why;
    }

    /// Answers a debugger that still waits at the first instruction, where none ran.
    fn wait(&mut self) {
        if self.is_first {
            self.talk();
        }
    }

    /// Tells the debugger how the run ended: the number of the verdict is the exit status.
    fn end(mut self, outcome: Option<&Outcome>) -> Result<(), Failure> {
        let status = outcome.map_or(0, |outcome| outcome.verdict.kind.number());
        self.advance(|state, machine| match state {
            GdbStubStateMachine::Running(stub) => {
                stub.report_stop(machine, SingleThreadStopReason::Exited(status))
            }
            other => Ok(other),
        });
        match self.lost {
            Some(why) => Err(gone(&why)),
            None => Ok(()),
        }
    }
}
