//! In-language tests: every `@Test` of a file, run against microcode that was proved.
//!
//! In: a sound program. Out: a report for each test, in the order of the source. Guaranteed: the reports
//! depend on the program alone, and not on how many threads there are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nfl_syntax::Diags;
use nfl_typeck::Bindings;
use nfl_typeck::tables::FunctionId;
use nfl_typeck::test::TestDef;
use nfl_vm::{Loaded, Policy};

use crate::engine::Engine;
use crate::unit::{FunctionUnit, Unit};

pub use nfl_test::{Failure, Part, Report};

/// Tests recurse over the tree, as the checker does.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Images by function and parameters, or why there are none.
type Cache = Mutex<BTreeMap<(FunctionId, String), Result<Vec<Loaded>, String>>>;

impl Unit {
    /// The names of the tests of the root file, in the order of the source.
    pub fn tests(&self) -> Vec<&str> {
        let tests = self.checked.tables.tests.iter();
        tests.map(|test| test.qualified.as_str()).collect()
    }

    /// Runs the tests whose names hold `filter`, on so many threads. A function that cannot be
    /// compiled with the parameters that a test gives it is a failure of that test.
    ///
    /// # Panics
    ///
    /// Never, but for mistakes of the compiler.
    pub fn run_tests(&self, filter: &str, threads: usize) -> Vec<Report> {
        let tests = self.checked.tables.tests.iter();
        let chosen: Vec<&TestDef> = tests.filter(|t| t.qualified.contains(filter)).collect();
        let cache = Cache::default();
        let next = AtomicUsize::new(0);
        let reports: Vec<Mutex<Option<Report>>> = chosen.iter().map(|_| Mutex::default()).collect();
        let work = || {
            while let Some((test, report)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                chosen.get(at).zip(reports.get(at))
            } {
                let done = self.run_test(test, &cache);
                *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, chosen.len().max(1)) {
                let deep = std::thread::Builder::new().stack_size(STACK_BYTES);
                if deep.spawn_scoped(scope, work).is_err() {
                    work();
                }
            }
        });
        let reports = reports.into_iter();
        reports
            .filter_map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    fn run_test(&self, test: &TestDef, cache: &Cache) -> Report {
        let sound = self.checked.sound();
        let sound = sound.expect("a unit is made of a program without errors");
        nfl_test::run(sound, test, &|function, bindings: &Bindings| {
            let key = (function, format!("{bindings:?}"));
            let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = lock().get(&key) {
                return known.clone();
            }
            let images = self.loaded(function, bindings);
            lock().insert(key, images.clone());
            images
        })
    }

    /// The images of a function with these parameters, proved and loaded.
    fn loaded(&self, id: FunctionId, bindings: &Bindings) -> Result<Vec<Loaded>, String> {
        let function = FunctionUnit { unit: self, id };
        let mut diags = Diags::default();
        let built = function.images_with(bindings, &mut diags);
        if diags.has_errors() {
            let failed = self.bind_error(diags);
            return Err(format!(
                "{} cannot be compiled with these parameters\n{failed}",
                function.name()
            ));
        }
        let engine = Engine::interp().limits(self.compiler.limits);
        let loaded = built
            .into_iter()
            .map(|built| engine.load_unsigned(built.image, &Policy::ALL));
        loaded
            .collect::<Result<Vec<Loaded>, _>>()
            .map_err(|error| error.to_string())
    }
}
