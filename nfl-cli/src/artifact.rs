//! Files that hold an image: source text, images and capsules, told apart by extension and first byte.

use std::path::Path;

use nfl::abi::codes;
use nfl::{Built, Bundle, Image, KeyId, Party, PublicKey, TrustPolicy, TrustStore, Trusted};

use crate::failure::Failure;
use crate::shell::Shell;
use crate::source::{self, Choice, Compiled};

/// The first byte of every capsule: CBOR tag 18.
const CAPSULE_BYTE: u8 = 0xd2;
/// The first byte of every image: a CBOR array of four.
const IMAGE_BYTE: u8 = 0x84;

/// What a file holds.
pub(crate) enum Artifact {
    /// Source text, compiled.
    Source(Box<Compiled>),
    /// An image.
    Image(Image),
    /// A capsule that nobody has judged yet.
    Capsule {
        /// The key it names.
        kid: KeyId,
        /// Its image.
        image: Image,
    },
}

impl Artifact {
    /// Reads a file, and compiles it when it is source text: the chosen function, or all of them.
    pub(crate) fn read(
        file: &Path,
        choice: &Choice,
        shell: &mut Shell,
    ) -> Result<Artifact, Failure> {
        if source::is_source(file) {
            let compiled = source::all_images(file, choice, shell)?;
            return Ok(Artifact::Source(Box::new(compiled)));
        }
        let bytes = read_bytes(file)?;
        match kind(file, &bytes) {
            Some(Kind::Bundle) => Err(one_at_a_time(file)),
            Some(Kind::Image) => read_image(file, &bytes).map(Artifact::Image),
            Some(Kind::Capsule) => {
                let (kid, image) = peek(file, &bytes)?;
                Ok(Artifact::Capsule { kid, image })
            }
            None => Err(unknown(file)),
        }
    }

    /// The images, each with what the compiler knows if it has just made it.
    pub(crate) fn images(&self) -> Vec<(&Image, Option<&Built>)> {
        match self {
            Artifact::Source(compiled) => {
                let images = compiled.images.iter();
                images.map(|built| (&built.image, Some(built))).collect()
            }
            Artifact::Image(image) | Artifact::Capsule { image, .. } => vec![(image, None)],
        }
    }
}

/// The image of a capsule, and the key that it names; nothing of it is checked.
pub(crate) fn peek(file: &Path, bytes: &[u8]) -> Result<(KeyId, Image), Failure> {
    nfl::peek(bytes)
        .map_err(|error| Failure::wrong(error.code(), format!("`{}`: {error}", file.display())))
}

/// What a file that is no source text holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Image,
    Capsule,
    Bundle,
}

/// Told by the extension, else by the first byte.
pub(crate) fn kind(file: &Path, bytes: &[u8]) -> Option<Kind> {
    match file.extension().and_then(|e| e.to_str()) {
        Some("nfi") => Some(Kind::Image),
        Some("nfc") => Some(Kind::Capsule),
        Some("nfb") => Some(Kind::Bundle),
        _ => match bytes.first() {
            Some(&IMAGE_BYTE) => Some(Kind::Image),
            Some(&CAPSULE_BYTE) => Some(Kind::Capsule),
            _ => None,
        },
    }
}

/// A file's bytes.
pub(crate) fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::read(file, &error))
}

/// The image in these bytes.
pub(crate) fn read_image(file: &Path, bytes: &[u8]) -> Result<Image, Failure> {
    Image::from_bytes(bytes)
        .map_err(|error| Failure::wrong(error.code(), format!("`{}`: {error}", file.display())))
}

/// The image in a capsule, if the key has signed it for this time and audience.
pub(crate) fn open(
    file: &Path,
    bytes: &[u8],
    key: PublicKey,
    audience: Option<&str>,
    now_s: u64,
) -> Result<Trusted, Failure> {
    let policy = TrustPolicy {
        audience: audience.map(str::to_string),
        ..TrustPolicy::default()
    };
    let mut store = TrustStore::new(policy);
    store
        .add_key(key)
        .map_err(|error| Failure::wrong(error.code(), error.to_string()))?;
    store
        .open(bytes, now_s)
        .map_err(|error| Failure::wrong(error.code(), format!("`{}`: {error}", file.display())))
}

/// The bundle in these bytes, which nobody has judged.
pub(crate) fn read_bundle(file: &Path, bytes: &[u8]) -> Result<Bundle, Failure> {
    Bundle::peek(bytes)
        .map_err(|error| Failure::wrong(error.code(), format!("`{}`: {error}", file.display())))
}

/// A bundle stands where one program is meant.
pub(crate) fn one_at_a_time(file: &Path) -> Failure {
    let message = format!("`{}` is a bundle of several programs", file.display());
    Failure::wrong(&codes::E910, message).help("`nflc inspect` shows what is in it")
}

/// The file is of no kind that is known.
pub(crate) fn unknown(file: &Path) -> Failure {
    let message = format!(
        "`{}` is neither source text nor an image nor a capsule",
        file.display()
    );
    Failure::wrong(&codes::E910, message)
        .help("source files end in `.nfl`, images in `.nfi`, capsules in `.nfc`")
}

/// `Segment for the originator`
pub(crate) fn title(image: &Image) -> String {
    let function = Party::function(&image.manifest);
    match Party::of(&image.manifest) {
        Party::Both => format!("{function} for both parties"),
        Party::Resident => format!("{function} for the node"),
        party => format!("{function} for the {}", party.text()),
    }
}
