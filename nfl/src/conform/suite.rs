//! A file of vectors.
//!
//! In: programs and vectors, or the lines of a file. Out: the other one. The first line says what it is; then each line is
//! a program or a vector, and a program stands before its vectors. Guaranteed: bad lines are named by number.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::vector::{Program, Vector};

/// Programs by name, and vectors in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Suite {
    /// The programs.
    pub programs: BTreeMap<String, Program>,
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// Why lines are no vectors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuiteError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for SuiteError {}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "nfl-conformance")]
    version: u32,
    abi: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Program(Program),
    Vector(Vector),
}

/// Lines, one after the other: the head is written first, and each program before its first vector.
#[derive(Debug, Default)]
pub struct Writer {
    begun: bool,
    last: Option<String>,
}

impl Writer {
    /// The lines of a vector and, when it is new, of its program.
    pub fn lines(&mut self, program: &Program, vector: &Vector) -> String {
        let mut lines = String::new();
        if !self.begun {
            self.begun = true;
            lines += &json(&Head {
                version: VERSION,
                abi: nfl_abi::ABI_VERSION,
            });
        }
        if self.last.as_ref() != Some(&program.name) {
            self.last = Some(program.name.clone());
            lines += &json(&Line::Program(program.clone()));
        }
        lines + &json(&Line::Vector(vector.clone()))
    }
}

fn json(value: &impl Serialize) -> String {
    let line = serde_json::to_string(value).expect("keys are strings and numbers are finite");
    line + "\n"
}

impl Suite {
    /// Adds a program with its vectors.
    pub fn add(&mut self, program: Program, vectors: Vec<Vector>) {
        self.programs.insert(program.name.clone(), program);
        self.vectors.extend(vectors);
    }

    /// Adds all that another one has.
    pub fn append(&mut self, other: Suite) {
        self.programs.extend(other.programs);
        self.vectors.extend(other.vectors);
    }

    /// Its file.
    pub fn to_text(&self) -> String {
        let mut writer = Writer::default();
        let lines = self.vectors.iter().filter_map(|vector| {
            let program = self.programs.get(&vector.program)?;
            Some(writer.lines(program, vector))
        });
        lines.collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The first line that is wrong.
    pub fn from_text(text: &str) -> Result<Suite, SuiteError> {
        let mut lines = (1..).zip(text.lines());
        let wrong = |line, what: String| SuiteError { line, what };
        let (_, first) = lines
            .next()
            .ok_or_else(|| wrong(1, "the file is empty".into()))?;
        let head: Head = serde_json::from_str(first)
            .map_err(|error| wrong(1, format!("this is no file of vectors: {error}")))?;
        if head.version != VERSION || head.abi != nfl_abi::ABI_VERSION {
            let what = format!(
                "vectors of version {} for machine {}, and this is version {VERSION} for machine {}",
                head.version,
                head.abi,
                nfl_abi::ABI_VERSION
            );
            return Err(wrong(1, what));
        }
        let mut suite = Suite::default();
        for (number, text) in lines {
            match serde_json::from_str(text).map_err(|error| wrong(number, error.to_string()))? {
                Line::Program(program) => {
                    suite.programs.insert(program.name.clone(), program);
                }
                Line::Vector(vector) => {
                    if !suite.programs.contains_key(&vector.program) {
                        let what = format!("there is no program `{}` before", vector.program);
                        return Err(wrong(number, what));
                    }
                    if vector.expect.is_none() {
                        return Err(wrong(number, "the vector expects nothing".into()));
                    }
                    suite.vectors.push(vector);
                }
            }
        }
        Ok(suite)
    }
}
