//! A packet in a buffer of the caller's fares as one in a buffer of its own, wherever in the buffer
//! it lies, and nothing in front of it changes.

use nfl_abi::image::{Image, Import};
use nfl_abi::{Limits, Role, host, map};
use nfl_verify::{certify, prove};
use nfl_vm::{Budget, Context, Frame, Instance, Packet, Policy, load};

mod common;

/// Services in the order of their slots, what each is bound to, and its argument.
const MOVES: [(&str, u16, u32); 4] = [
    ("packet.push", 4, 0),
    ("packet.pop", 0, 3),
    ("packet.append", 8, 0),
    ("packet.cut", 0, 10),
];
const WINDOW: u8 = 24;

/// Moves the packet thrice, and forwards to the sum of what stands in the window after each move.
fn moving(moves: [usize; 3]) -> Instance {
    let vector = (0..MOVES.len()).rev();
    let vector: String = vector
        .map(|slot| format!("slot{slot}:\n  .word 0\n  .word 0\n"))
        .collect();
    let mut code = "li a2, 0\n".to_owned();
    for slot in moves {
        let argument = MOVES[slot].2;
        code += &format!("li a0, {argument}\njal ra, slot{slot}\n");
        for offset in [0, 9, 20] {
            code += &format!("lw a3, {offset}(s0)\nadd a2, a2, a3\n");
        }
    }
    code += "mv a1, a2\nli a0, 2\nebreak\n";
    let code = nfl_isa::assemble(&(vector + &code)).expect("code");
    let mut image: Image = common::image(code[MOVES.len() * map::SLOT_BYTES as usize..].to_vec());
    image.manifest.window = WINDOW;
    image.manifest.imports = MOVES
        .iter()
        .map(|&(name, param, _)| Import {
            service: host::call::service(name).expect("a service").number,
            resource: None,
            param,
        })
        .collect();
    image.certificate = certify(&image, &Limits::EDGE).expect("no loop");
    let proven = prove(&image, &Limits::EDGE).expect("loads stay in the window");
    load(proven, &Policy::ALL)
        .expect("all is granted")
        .instance()
}

#[test]
fn a_frame_fares_as_a_packet_does() {
    let context = Context::default();
    for moves in 0..64 {
        let mut instance = moving([moves / 16, moves / 4 % 4, moves % 4]);
        for (len, head, tail) in [0, 5, 20, 40]
            .into_iter()
            .flat_map(|len| [0, 4, 64].map(|head| (len, head)))
            .flat_map(|(len, head)| [0, 3, 8, 64].map(|tail| (len, head, tail)))
        {
            let bytes: Vec<u8> = (1..=len).collect();
            let mut packet = Packet::from(&bytes[..]).with_room(head, tail);
            let (role, budget) = (Role::Ingress, Budget::Proven);
            let outcome = instance.run(role, &mut packet, &context, &mut [], budget);
            // Whatever stood in the room must not be seen.
            let mut buffer = vec![0xee; head as usize];
            buffer.extend(&bytes);
            buffer.resize(buffer.len() + tail as usize, 0xdd);
            let mut frame =
                Frame::new(&mut buffer, head as usize, bytes.len()).expect("inside the buffer");
            let in_place = instance.run_frame(role, &mut frame, &context, &mut [], budget);
            let what = format!("moves {moves}, {len} bytes with room {head} and {tail}");
            assert_eq!(in_place, outcome, "{what}");
            assert_eq!(outcome.err(), None, "{what}");
            assert_eq!(frame.bytes(), packet.bytes(), "{what}");
            assert_eq!(
                (frame.head_room(), frame.tail_room()),
                (packet.head_room(), packet.tail_room()),
                "{what}"
            );
            // Three pushes reach twelve bytes to the front.
            let before = (head as usize).saturating_sub(12);
            assert!(buffer[..before].iter().all(|&byte| byte == 0xee), "{what}");
        }
    }
}

#[test]
fn a_frame_lies_inside_its_buffer() {
    let mut buffer = [0; 10];
    assert!(Frame::new(&mut buffer, 4, 6).is_some());
    assert!(Frame::new(&mut buffer, 10, 0).is_some());
    assert!(Frame::new(&mut buffer, 5, 6).is_none());
    assert!(Frame::new(&mut buffer, usize::MAX, 1).is_none());
}
