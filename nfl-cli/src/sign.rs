//! `nflc sign`: an image becomes a capsule.

use std::path::{Path, PathBuf};

use nfl::abi::codes;
use nfl::{Bundle, BundledProgram, Claims, Image, Level, SignError};

use crate::artifact::{self, Kind};
use crate::failure::Failure;
use crate::shell::Shell;
use crate::source::{self, Choice, PartyName};
use crate::{key, output, time};

/// Sign an image as a capsule
///
/// The capsule is a COSE_Sign1 message with Ed25519 that says who signed, for whom, and for how
/// long. A graph becomes a bundle: the capsules of all its connections with the identities of its
/// services, signed as one. A source file whose `uses` asks for more than it needs is not signed.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc sign Guard.originator.nfi --key controller.pem -o guard.nfc\n  nflc sign guard.nfl --set port=443 --party originator --key controller.pem --expires 8h -o guard.nfc"
)]
pub(crate) struct Args {
    /// Image or source file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The private key
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The capsule's file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Who signs
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// The group of nodes that may run it
    #[arg(long, value_name = "GROUP")]
    audience: Option<String>,
    /// How long it is valid: a number and s, m, h or d, or `never`
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    expires: Lifetime,
    /// When it becomes valid, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    not_before: Option<u64>,
    /// The time, in seconds since 1970, instead of the clock's
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Which image, where the source has several
    #[arg(long, value_enum, value_name = "PARTY")]
    party: Option<PartyName>,
    #[command(flatten)]
    choice: Choice,
}

/// How long a capsule is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lifetime {
    Seconds(u64),
    Unlimited,
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Unlimited);
    }
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        number.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    seconds
        .map(Lifetime::Seconds)
        .ok_or_else(|| "write a number and s, m, h or d, as in 8h".to_string())
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let private = key::read_private(&args.key)?;
    // A signature vouches for what `uses` says, so asking for more than is needed is an error here.
    shell.set_level(codes::W601.text, Level::Deny)?;
    let what = what(args, shell)?;
    let now_s = time::now(args.now)?;
    let start_s = args.not_before.unwrap_or(now_s);
    let claims = Claims {
        issuer: args.issuer.clone(),
        audience: args.audience.clone(),
        expires: match args.expires {
            Lifetime::Seconds(seconds) => Some(start_s.saturating_add(seconds)),
            Lifetime::Unlimited => None,
        },
        not_before: args.not_before,
    };
    let failed = |error: SignError| Failure::wrong(error.code(), error.to_string());
    let capsule = match what {
        What::Image(image) => nfl::sign(&image, &claims, &private).map_err(failed)?,
        What::Graph(mut bundle, images) => {
            for (from, to, image) in images {
                let capsule = nfl::sign(&image, &claims, &private).map_err(failed)?;
                bundle.programs.push(BundledProgram { from, to, capsule });
            }
            bundle.sign(&private).map_err(failed)?
        }
    };
    output::write(&args.output, &capsule)?;
    shell.note(format!(
        "wrote {}: {} bytes, key id {}",
        args.output.display(),
        capsule.len(),
        private.public().kid()
    ));
    Ok(())
}

/// What is to be signed.
enum What {
    Image(Box<Image>),
    /// A graph's bundle without programs, and each program with the ends of its connection.
    Graph(Bundle, Vec<(String, String, Image)>),
}

fn what(args: &Args, shell: &mut Shell) -> Result<What, Failure> {
    if !source::is_source(&args.file) {
        let bytes = artifact::read_bytes(&args.file)?;
        return match artifact::kind(&args.file, &bytes) {
            Some(Kind::Image) => {
                artifact::read_image(&args.file, &bytes).map(|i| What::Image(Box::new(i)))
            }
            Some(Kind::Capsule | Kind::Bundle) => Err(already_signed(&args.file)),
            None => Err(artifact::unknown(&args.file)),
        };
    }
    let unit = source::unit(&args.file, &args.choice, shell)?;
    if let Some(graph) = source::graph(&unit, args.choice.function.as_deref()) {
        let settings = source::settings(&args.choice.set)?;
        let bundle = Bundle {
            name: graph.qualified().to_string(),
            services: graph.services(),
            programs: Vec::new(),
        };
        let mut images = Vec::new();
        for (connection, built) in source::graph_images(graph, &settings, &unit)? {
            let ends = (connection.from, connection.to);
            images.extend(
                built
                    .into_iter()
                    .map(|b| (ends.0.clone(), ends.1.clone(), b.image)),
            );
        }
        return Ok(What::Graph(bundle, images));
    }
    image(args, shell).map(|image| What::Image(Box::new(image)))
}

/// The one image of a source file that is meant.
fn image(args: &Args, shell: &mut Shell) -> Result<Image, Failure> {
    let compiled = source::images(&args.file, &args.choice, shell)?;
    let mut images = source::of_party(compiled.images, args.party)?;
    match (images.pop(), images.is_empty()) {
        (Some(built), true) => Ok(built.image),
        _ => Err(Failure::usage(
            &codes::E911,
            "a capsule holds one image, and the function has several",
        )
        .help("choose one with --party")),
    }
}

fn already_signed(file: &Path) -> Failure {
    let message = format!("`{}` is signed already", file.display());
    Failure::wrong(&codes::E910, message).help("sign the image it was made of")
}
