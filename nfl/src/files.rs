//! Where source files come from.
//!
//! In: paths. Out: texts. Guaranteed: the compiler reads nothing but through [`Files`], and lists
//! come sorted.

use std::collections::BTreeMap;

use nfl_typeck::program::Files;

/// Source files in memory.
#[derive(Clone, Default, Debug)]
pub struct MemoryFiles {
    files: BTreeMap<String, String>,
}

impl MemoryFiles {
    /// No file yet.
    pub fn new() -> MemoryFiles {
        MemoryFiles::default()
    }

    /// Adds a file, or replaces it.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.insert(path.into(), text.into());
    }
}

impl<P: Into<String>, T: Into<String>, const N: usize> From<[(P, T); N]> for MemoryFiles {
    fn from(files: [(P, T); N]) -> MemoryFiles {
        MemoryFiles {
            files: files.map(|(path, text)| (path.into(), text.into())).into(),
        }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let within = |path: &&String| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            parent == dir.trim_end_matches('/') && name.ends_with(".nfl")
        };
        self.files.keys().filter(within).cloned().collect()
    }
}

/// Source files of a file system, with paths from a directory.
#[cfg(feature = "fs")]
#[derive(Clone, Debug)]
pub struct DirFiles {
    base: std::path::PathBuf,
}

#[cfg(feature = "fs")]
impl DirFiles {
    /// Files with paths from `base`; absolute paths stay as they are.
    pub fn new(base: impl Into<std::path::PathBuf>) -> DirFiles {
        DirFiles { base: base.into() }
    }
}

#[cfg(feature = "fs")]
impl Files for DirFiles {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.base.join(path)).ok()
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.base.join(dir)) else {
            return Vec::new();
        };
        let mut paths: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".nfl"))
            .map(|name| match dir.trim_end_matches('/') {
                "" if !dir.starts_with('/') => name,
                dir => format!("{dir}/{name}"),
            })
            .collect();
        paths.sort();
        paths
    }
}

/// Files whose packages lie under several directories: what one of them lists, the others add to.
#[derive(Clone, Debug)]
pub struct Roots<F> {
    files: F,
    roots: Vec<String>,
}

impl<F: Files> Roots<F> {
    /// These files, under these directories.
    pub fn new(files: F, roots: impl IntoIterator<Item = String>) -> Roots<F> {
        let plain = |root: String| match root.trim_end_matches('/') {
            "." => String::new(),
            root => root.to_string(),
        };
        Roots {
            files,
            roots: roots.into_iter().map(plain).collect(),
        }
    }

    /// Where a directory lies under one of the roots: the root, and the path within it.
    fn within<'d>(&self, dir: &'d str) -> Option<(&str, &'d str)> {
        let under = |root: &String| {
            let rest = match root.as_str() {
                "" => Some(dir),
                root => dir.strip_prefix(root),
            };
            let rest =
                rest.filter(|rest| root.is_empty() || rest.is_empty() || rest.starts_with('/'));
            rest.map(|rest| rest.trim_start_matches('/'))
        };
        let roots = self.roots.iter();
        let found = roots.filter_map(|root| Some((root.as_str(), under(root)?)));
        found.max_by_key(|(root, _)| root.len())
    }
}

impl<F: Files> Files for Roots<F> {
    fn read(&self, path: &str) -> Option<String> {
        self.files.read(path)
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let mut paths = self.files.list(dir);
        let Some((own, rest)) = self.within(dir) else {
            return paths;
        };
        for root in self.roots.iter().filter(|root| *root != own) {
            let there = match (root.as_str(), rest) {
                ("", rest) => rest.to_string(),
                (root, "") => root.to_string(),
                (root, rest) => format!("{root}/{rest}"),
            };
            paths.extend(self.files.list(&there));
        }
        paths
    }
}
