//! Packets for generated programs.
//!
//! Guaranteed: most are right stacks of headers, and many of those are then changed or cut.

use super::{Dice, Program};

/// A packet for a program.
pub fn packet(program: &Program, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed.wrapping_mul(0x1_0001));
    let mut bytes = match program.own_bytes {
        Some(len) => own(&mut dice, len),
        None => stack(&mut dice, program.link),
    };
    mutate(&mut dice, &mut bytes);
    bytes
}

fn own(dice: &mut Dice, len: usize) -> Vec<u8> {
    let more = dice.pick(&[0, 0, 0, 20, 40]);
    let style = dice.below(4);
    let mut bytes: Vec<u8> = (0..len + more)
        .map(|_| match style {
            0 => dice.pick(&[0, 0xff]),
            1 => dice.pick(&[0, 1, 2, 0x7f, 0x80, 0xff]),
            _ => dice.any() as u8,
        })
        .collect();
    if dice.one_in(2) {
        bytes[0] = dice.pick(&[0, 1, 2, 3]);
    }
    bytes
}

fn stack(dice: &mut Dice, link: bool) -> Vec<u8> {
    let mut parts: Vec<String> = Vec::new();
    if link {
        parts.push(if dice.one_in(6) {
            "eth dst=ff:ff:ff:ff:ff:ff src=01:00:5e:00:00:fb".into()
        } else {
            "eth".into()
        });
        for _ in 0..dice.pick(&[0, 0, 0, 1, 2, 3]) {
            parts.push(format!(
                "vlan id={} prio={}",
                dice.below(4096),
                dice.below(8)
            ));
        }
    }
    for _ in 0..dice.pick(&[1, 1, 1, 1, 2]) {
        parts.push(network(dice));
    }
    match dice.below(8) {
        0 => {}
        1 => parts.push("icmp type=8".into()),
        2..=4 => {
            let options = dice.pick(&["", "", " options=01010101", " options=0204ffff01010101"]);
            let flags = dice.pick(&["S", "SA", "A", "FA", "R", "PUEC"]);
            let port = dice.pick(&[80, 443, 7000, 0, 65_535]);
            parts.push(format!("tcp dport={port} flags={flags}{options}"));
        }
        _ => {
            let port = dice.pick(&[7000, 7000, 7000, 53, 0]);
            let sum = dice.pick(&["", "", "", " sum=0", " sum=0xffff"]);
            parts.push(format!("udp dport={port}{sum}"));
        }
    }
    let body = dice.pick(&[0, 0, 1, 7, 40, 64]);
    if body > 0 {
        let first = dice.pick(&[0, 1, 2, 9]);
        let mut hex = format!("{first:02x}");
        for _ in 1..body {
            hex.push_str(&format!("{:02x}", dice.any() as u8));
        }
        parts.push(hex);
    }
    crate::packet::parse(&parts.join(" / ")).expect("the text form is right")
}

fn network(dice: &mut Dice) -> String {
    if dice.one_in(4) {
        let src = dice.pick(&["2001:db8::1", "2001:db8:1::5", "ff02::fb", "::"]);
        return format!("ip6 src={src} hops={}", dice.pick(&[0, 1, 64, 255]));
    }
    let src = dice.pick(&[
        "10.1.0.1",
        "10.2.0.1",
        "192.168.0.9",
        "0.0.0.0",
        "255.255.255.255",
    ]);
    let options = dice.pick(&["", "", "", " options=01010101", " options=0101010101010101"]);
    let fragment = dice.pick(&["", "", "", "", " mf=1", " frag=3"]);
    let ttl = dice.pick(&[0, 1, 2, 64, 255]);
    format!("ip4 src={src} ttl={ttl}{options}{fragment}")
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    match dice.below(8) {
        0 => {
            let len = dice.below(bytes.len() + 1);
            bytes.truncate(len);
        }
        1 | 2 => {
            for _ in 0..1 + dice.below(3) {
                if bytes.is_empty() {
                    return;
                }
                let at = dice.below(bytes.len().min(64));
                bytes[at] =
                    dice.pick(&[0, 0xff, 0x45, 0x46, 0x60, 6, 17, dice.clone().any() as u8]);
            }
        }
        3 => {
            // Checksums at the ends of their range.
            let at = dice.pick(&[10, 26, 36, 24, 38, 40, 50]);
            let word = dice.pick(&[[0, 0], [0xff, 0xff]]);
            if bytes.len() > at + 1 {
                bytes[at..at + 2].copy_from_slice(&word);
            }
        }
        4 => bytes.extend((0..dice.below(20)).map(|n| n as u8)),
        _ => {}
    }
}
