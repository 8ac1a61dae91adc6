//! Worlds through the facade, as an embedding program has them.

use nfl::world::{Datum, World, WorldError};
use nfl::{
    Budget, Compiler, Context, Engine, Limits, MemoryFiles, Packet, Policy, Role, VerdictKind,
};

const BLOCK: &str = "import nfl.net.*;
import nfl.table.*;

function Block() {
    Set<Ip4> blocked = Set(2);
    on ingress(Packet pkt) {
        return pkt instanceof Ipv4 ip && blocked.contains(ip.src) ? Drop : Pass;
    }
}
";

/// `resources = { blocked = [these] }`
fn world(blocked: &[&str]) -> World {
    let members = blocked.iter().map(|text| Datum::Text((*text).to_string()));
    let members = Datum::List(members.collect());
    let map = |name: &str, it: Datum| Datum::Map(vec![(name.to_string(), it)]);
    World::read(&map("resources", map("blocked", members))).expect("a world")
}

fn paths(errors: Vec<WorldError>) -> Vec<String> {
    errors.into_iter().map(|error| error.path).collect()
}

#[test]
fn a_state_is_filled_with_all_or_nothing() {
    let files = MemoryFiles::from([("block.nfl", BLOCK)]);
    let unit = Compiler::new(Limits::EDGE).build(&files, "block.nfl");
    let unit = unit.finish().unwrap_or_else(|error| panic!("{error}"));
    let bound = unit.functions()[0].bind(&[]).expect("no parameters");
    let shapes = bound.resources();
    let image = bound.images().expect("it is proved").remove(0).image;
    let program = Engine::interp().load_unsigned(image, &Policy::ALL);
    let mut instance = program.expect("it is proved").instance();

    let mut fill = |blocked: &[&str]| {
        let mut state = instance.state_mut();
        let filled = world(blocked).fill(&shapes, &mut state);
        let entries = state.entries("blocked").expect("a set").len();
        (filled.map_err(paths), entries)
    };
    let wrong = fill(&["10.0.0.1", "10.0.0", "::1"]);
    let places = ["resources.blocked[1]", "resources.blocked[2]"];
    assert_eq!(wrong, (Err(places.map(String::from).to_vec()), 0));
    let full = fill(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(full, (Err(vec!["resources.blocked[2]".to_string()]), 0));
    assert_eq!(fill(&["10.0.0.1"]), (Ok(()), 1));

    let mut verdict = |source: u8| {
        let mut packet = Packet::from(
            &[
                0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, source, 10, 9, 9, 9,
            ][..],
        );
        let context = Context::default();
        let ran = instance.run(
            Role::Ingress,
            &mut packet,
            &context,
            &mut [],
            Budget::Proven,
        );
        ran.expect("it is proved").verdict.kind
    };
    assert_eq!(verdict(1), VerdictKind::Drop);
    assert_eq!(verdict(2), VerdictKind::Pass);

    let saved = World::default().save(&shapes, &instance.state_mut());
    let read = World::read(&saved.datum()).expect("what is written is read");
    assert_eq!(read, saved);
    assert_eq!(read.resources, world(&["10.0.0.1"]).resources);
}
