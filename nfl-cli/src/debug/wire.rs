//! The bytes between us and a debugger: over TCP, or by standard input and output.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;

use gdbstub::conn::Connection;

/// A connection to a debugger.
pub(super) struct Wire {
    from: Box<dyn Read>,
    to: Box<dyn Write>,
}

impl Wire {
    /// By standard input and output.
    pub(super) fn stdio() -> Wire {
        Wire {
            from: Box::new(BufReader::new(io::stdin())),
            to: Box::new(BufWriter::new(io::stdout())),
        }
    }

    /// Over TCP; answers leave at once.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        Ok(Wire {
            from: Box::new(BufReader::new(stream.try_clone()?)),
            to: Box::new(BufWriter::new(stream)),
        })
    }

    /// The next byte; nothing when the other side has closed.
    pub(super) fn read(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.from.read(&mut byte)? {
            0 => Ok(None),
            _ => Ok(Some(byte[0])),
        }
    }
}

impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.to.write_all(&[byte])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
