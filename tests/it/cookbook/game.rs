//! The recipe "Game loop".

use std::thread;
use std::time::{Duration, Instant};

use crate::cookbook::{open, text, text_that};
use crate::support::eventually;

/// The positions in a state, in the order of the players.
fn positions(state: &str) -> Vec<i32> {
    let players = state.split_whitespace();
    let position = |player: &str| player.split_once(':').unwrap().1.parse().unwrap();
    players.map(position).collect()
}

#[test]
fn all_players_see_the_moves_until_a_player_leaves() {
    let server = super::build("127.0.0.1:0").unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let since = Instant::now();
    let game = thread::spawn(move || super::run(server));
    let mut ann = open(address, "/");
    text_that(&mut ann, |state| positions(state) == [0]);
    let mut bob = open(address, "/");
    for player in [&mut ann, &mut bob] {
        text_that(player, |state| positions(state) == [0, 0]);
    }
    ann.send("left").unwrap();
    bob.send("right").unwrap();
    for player in [&mut ann, &mut bob] {
        text_that(
            player,
            |state| matches!(positions(state)[..], [ann, bob] if ann <= -3 && bob >= 3),
        );
    }
    // Without a closing handshake: `recv` returns an error to the handler.
    bob.abort();
    text_that(&mut ann, |state| positions(state).len() == 1);
    // Step 20 is 950 ms after the first one; none is earlier, also on a busy machine.
    for _ in 0..20 {
        text(&mut ann);
    }
    assert!(since.elapsed() >= Duration::from_millis(950));
    handle.shutdown(Duration::ZERO);
    eventually("the end of the game", || game.is_finished().then_some(()));
    game.join().unwrap().unwrap();
}
