//! An engine under test: a process that is asked line by line.
//!
//! In: a command and requests. Out: replies. Guaranteed: a process that dies, hangs, floods or talks nonsense is told apart
//! and named with its line; it does not outlive the conversation.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nfl::abi::codes;
use nfl::conform::{LINE_MAX, Reply, Request};

use crate::failure::Failure;

/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// A running engine.
pub(super) struct Child {
    process: Process,
    requests: Sender<String>,
    replies: Receiver<Vec<u8>>,
    time_limit: Duration,
    /// The last line that it wrote.
    last: String,
}

impl Child {
    /// Starts a command by the shell.
    pub(super) fn start(command: &str, time_limit: Duration) -> Result<Child, Failure> {
        let (shell, flag) = match cfg!(windows) {
            true => ("cmd", "/C"),
            false => ("sh", "-c"),
        };
        let started = Command::new(shell)
            .args([flag, command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let failed = |why: String| {
            let message = format!("the engine `{command}` cannot be run: {why}");
            Failure::usage(&codes::E930, message)
        };
        let mut process = started.map_err(|error| failed(error.to_string()))?;
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no standard streams".to_string()));
        };
        let (requests, to_write) = channel::<String>();
        let (read, replies) = channel();
        // An engine that reads nothing must not hold us up, so each stream has a thread of its own.
        thread::spawn(move || {
            while let Ok(line) = to_write.recv() {
                if stdin
                    .write_all(line.as_bytes())
                    .and_then(|()| stdin.flush())
                    .is_err()
                {
                    break;
                }
            }
        });
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                let got = (&mut stdout)
                    .take(LINE_MAX as u64 + 1)
                    .read_until(b'\n', &mut line);
                match got {
                    Ok(bytes) if bytes > 0 && read.send(line).is_ok() => {}
                    _ => break,
                }
            }
        });
        Ok(Child {
            process,
            requests,
            replies,
            time_limit,
            last: String::new(),
        })
    }

    /// The reply to a request about something that has a name.
    pub(super) fn ask(&mut self, request: &Request, about: &str) -> Result<Reply, Failure> {
        let mut line = serde_json::to_string(request)
            .map_err(|error| self.broken(&format!("the request cannot be written: {error}")))?;
        line.push('\n');
        self.last.clear();
        // That nobody reads is seen when nobody answers.
        let _ = self.requests.send(line);
        let reply = match self.replies.recv_timeout(self.time_limit) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = self.time_limit.as_secs();
                return Err(self.broken(&format!(
                    "the engine has no reply to `{about}` within {seconds} s"
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait();
                let status = status.map_or(String::new(), |status| format!(" with {status}"));
                return Err(self.broken(&format!("the engine ended at `{about}`{status}")));
            }
        };
        let text = String::from_utf8_lossy(&reply);
        self.last = text.trim_end().chars().take(SHOWN).collect();
        if reply.len() > LINE_MAX {
            return Err(self.broken(&format!(
                "the reply to `{about}` is longer than {LINE_MAX} bytes"
            )));
        }
        serde_json::from_str(&text)
            .map_err(|error| self.broken(&format!("the reply to `{about}` is none: {error}")))
    }

    /// The engine does not keep to the protocol.
    pub(super) fn broken(&self, what: &str) -> Failure {
        let failure = Failure::usage(&codes::E930, what);
        if self.last.is_empty() {
            return failure;
        }
        failure.note(format!("the line is {}", self.last))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended already cannot be ended, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
