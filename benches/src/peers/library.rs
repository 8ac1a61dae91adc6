//! The library of sandboxes, `sandboxes/`, loaded while this runs.
//!
//! In: the file that the environment names as `SANDBOXES`. Out: sides. All calls into the library are here.

use std::ffi::{CStr, CString, c_char, c_void};
use std::hint::black_box;
use std::mem;
use std::time::Duration;

use crate::measure::{End, Side};

type Make = unsafe extern "C" fn(
    u32,
    *const u8,
    usize,
    *const u8,
    *const u32,
    usize,
    *mut u8,
) -> *mut c_void;
type Restore = unsafe extern "C" fn(*mut c_void);
type Pass = unsafe extern "C" fn(*mut c_void) -> u32;
type Ends = unsafe extern "C" fn(*mut c_void, *mut u32, *mut u8);
type Prepare = unsafe extern "C" fn(u32, *const u8, usize, *mut u8, usize) -> usize;
type Cold = unsafe extern "C" fn(u32, *const u8, usize, *mut u8, usize) -> u32;

/// The functions of the library, which stays loaded.
#[derive(Clone)]
pub(crate) struct Library {
    make: Make,
    restore: Restore,
    pass: Pass,
    ends: Ends,
    prepare: Prepare,
    cold: Cold,
}

/// Room for a program.
const PROGRAM: usize = 1 << 16;

impl Library {
    pub(crate) fn open() -> Result<Library, String> {
        let path = std::env::var("SANDBOXES").map_err(|_| "they were not built".to_string())?;
        let path = CString::new(path).map_err(|e| e.to_string())?;
        // SAFETY: the path ends with a zero; the library runs nothing when it is loaded.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return Err("their library can not be loaded".to_string());
        }
        let symbol = |name: &CStr| -> Result<*mut c_void, String> {
            // SAFETY: the handle is of a library that stays loaded.
            let symbol = unsafe { libc::dlsym(handle, name.as_ptr().cast::<c_char>()) };
            if symbol.is_null() {
                return Err(format!("their library has no {}", name.to_string_lossy()));
            }
            Ok(symbol)
        };
        // SAFETY: the types are those that the library gives its functions.
        unsafe {
            Ok(Library {
                make: mem::transmute::<*mut c_void, Make>(symbol(c"sandbox_make")?),
                restore: mem::transmute::<*mut c_void, Restore>(symbol(c"sandbox_restore")?),
                pass: mem::transmute::<*mut c_void, Pass>(symbol(c"sandbox_pass")?),
                ends: mem::transmute::<*mut c_void, Ends>(symbol(c"sandbox_ends")?),
                prepare: mem::transmute::<*mut c_void, Prepare>(symbol(c"sandbox_prepare")?),
                cold: mem::transmute::<*mut c_void, Cold>(symbol(c"sandbox_cold")?),
            })
        }
    }

    /// What is done to a program once, before it is shipped.
    pub(crate) fn prepare(&self, number: u32, program: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; PROGRAM];
        // SAFETY: the pointers are of slices of these lengths.
        let length = unsafe {
            (self.prepare)(
                number,
                program.as_ptr(),
                program.len(),
                out.as_mut_ptr(),
                out.len(),
            )
        };
        if length == 0 || length > PROGRAM {
            let end = out.iter().position(|&b| b == 0).unwrap_or(0);
            return Err(String::from_utf8_lossy(&out[..end]).into_owned());
        }
        out.truncate(length);
        Ok(out)
    }

    pub(crate) fn side(
        &self,
        number: u32,
        program: &[u8],
        packets: &[Vec<u8>],
    ) -> Result<Sandboxed, String> {
        let bytes = packets.concat();
        let lengths: Vec<u32> = packets.iter().map(|packet| packet.len() as u32).collect();
        let mut why = [0u8; 256];
        // SAFETY: the pointers are of slices of these lengths, and the lengths sum up to the bytes.
        let handle = unsafe {
            (self.make)(
                number,
                program.as_ptr(),
                program.len(),
                bytes.as_ptr(),
                lengths.as_ptr(),
                lengths.len(),
                why.as_mut_ptr(),
            )
        };
        if handle.is_null() {
            let text = CStr::from_bytes_until_nul(&why).unwrap_or_default();
            return Err(text.to_string_lossy().into_owned());
        }
        Ok(Sandboxed {
            library: self.clone(),
            handle,
            lengths,
        })
    }

    pub(crate) fn cold(&self, number: u32, program: &[u8], packet: &mut [u8]) -> u32 {
        // SAFETY: the pointers are of slices of these lengths, and the program was made before.
        unsafe {
            (self.cold)(
                number,
                program.as_ptr(),
                program.len(),
                packet.as_mut_ptr(),
                packet.len(),
            )
        }
    }
}

/// A function on a sandbox, which is never given back: the harness makes few.
pub(crate) struct Sandboxed {
    library: Library,
    handle: *mut c_void,
    lengths: Vec<u32>,
}

impl Side for Sandboxed {
    fn packets(&self) -> usize {
        self.lengths.len()
    }

    fn restore(&mut self) {
        // SAFETY: the handle is the library's, and this is its only user.
        unsafe { (self.library.restore)(self.handle) };
    }

    fn pass(&mut self) -> Option<Duration> {
        // SAFETY: as above.
        black_box(unsafe { (self.library.pass)(self.handle) });
        None
    }

    fn ends(&mut self) -> Vec<End> {
        let all: usize = self.lengths.iter().map(|&length| length as usize).sum();
        let (mut verdicts, mut bytes) = (vec![0; self.lengths.len()], vec![0; all]);
        // SAFETY: as above; there is room for as many packets as the side was made with.
        unsafe {
            (self.library.ends)(self.handle, verdicts.as_mut_ptr(), bytes.as_mut_ptr());
        }
        let mut rest = &bytes[..];
        let mut ends = Vec::new();
        for (&verdict, &length) in verdicts.iter().zip(&self.lengths) {
            let (packet, behind) = rest.split_at(length as usize);
            ends.push((verdict, 0, packet.to_vec()));
            rest = behind;
        }
        ends
    }
}
