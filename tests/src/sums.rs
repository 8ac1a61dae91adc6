//! Checksums where their zeros lie: against equation 3 of RFC 1624, written down as it stands there.
//!
//! Fields of 16 and 32 bits are assigned from others, in one run of assignments, for all combinations of words at the
//! edges; the IR says the same before and after the passes.

use nfl_abi::host::NoHost;
use nfl_ir::Module;
use nfl_ir::interp::{self, Inputs, Room};
use nfl_tests::pipeline::check_text;

const EDGES: [u16; 5] = [0, 1, 0x8000, 0xfffe, 0xffff];

/// Before and after the passes.
fn modules(source: &str, function: &str) -> [Module; 2] {
    let checking = check_text("sums.nfl", source);
    let id = checking.function(Some(function)).expect("it is there");
    let stages = checking.stages(id, &[]);
    let stages = stages.unwrap_or_else(|e| panic!("{e}")).remove(0);
    [stages.lowered, stages.optimised]
}

fn run(module: &Module, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let mut inputs = Inputs {
        context: &[0; 8],
        carried: &mut [],
        late: &[],
        params: &[],
        host: &mut NoHost,
        room: Room::default(),
    };
    interp::run(module, 0, &mut packet, &mut inputs).expect("it ends");
    packet
}

/// `~(~HC + ~m + m' + …)` in ones' complement.
fn equation_3(sum: u16, changes: &[(u16, u16)]) -> u16 {
    let mut all = u32::from(!sum);
    for &(old, new) in changes {
        all += u32::from(!old) + u32::from(new);
    }
    while all > 0xffff {
        all = (all & 0xffff) + (all >> 16);
    }
    !(all as u16)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[test]
fn a_run_of_assignments_moves_a_checksum_by_equation_3() {
    let source = "
        header Summed follows Packet when layer == LINK {
            derived u16 sum = Checksum.of(this);
            u16 small;
            u32 large;
            u16 other;
            u32 another;
        }
        function Move() uses Rewrite {
            on ingress(Packet pkt) {
                if (!(pkt instanceof Summed s)) return Drop;
                s.small = s.other;
                s.large = s.another;
                return Pass;
            }
        }";
    let modules = modules(source, "Move");
    let halves = [0, 1, 0xffff];
    let mut tried = 0;
    for choice in 0..125 * 81_usize {
        let edge = |n: usize| EDGES[choice / 81 / 5_usize.pow(n as u32) % 5];
        let part = |n: u32| halves[choice % 81 / 3_usize.pow(n) % 3];
        let words = [
            edge(0),
            edge(1),
            part(0),
            part(1),
            edge(2),
            part(2),
            part(3),
        ];
        let packet: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        let changes = [(1, 4), (2, 5), (3, 6)].map(|(to, from)| (words[to], words[from]));
        let want = equation_3(words[0], &changes);
        for module in &modules {
            let got = half(&run(module, &packet), 0);
            assert_eq!(got, want, "{words:04x?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 125 * 81);
}

#[test]
fn a_sum_of_udp_is_never_zero_and_zero_stays() {
    let source = "
        import nfl.net.*;
        function Move() uses Rewrite {
            on ingress(Packet pkt) {
                if (!(pkt instanceof Ipv4 / Udp udp)) return Drop;
                udp.dport = udp.sport;
                return Pass;
            }
        }";
    let modules = modules(source, "Move");
    for choice in 0..125 {
        let [sport, dport, sum] = [1, 5, 25].map(|n| EDGES[choice / n % 5]);
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[3] = 28;
        packet[9] = 17;
        for (at, word) in [(20, sport), (22, dport), (24, 8), (26, sum)] {
            packet[at..at + 2].copy_from_slice(&u16::to_be_bytes(word));
        }
        let want = match (sum, equation_3(sum, &[(dport, sport)])) {
            (0, _) => 0,
            (_, 0) => 0xffff,
            (_, sum) => sum,
        };
        for module in &modules {
            let after = run(module, &packet);
            let got = (half(&after, 22), half(&after, 26));
            assert_eq!(got, (sport, want), "{sport:04x} {dport:04x} {sum:04x}");
        }
    }
}
