//! The recipe "A bot that reconnects".

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stentor::client::Reconnect;
use stentor::{CloseCode, Connector, Server};

use crate::support::{Loopback, PATIENCE};

#[test]
fn the_bot_subscribes_again_after_each_connection() {
    // Each connection ends after one price.
    let server = Loopback::run(Server::builder(), |client| {
        if let Some(message) = client.recv()? {
            client.send(format!("1.5 for {message}"))?;
        }
        client.close(CloseCode::SERVICE_RESTART, "")?;
        while client.recv()?.is_some() {}
        Ok(())
    });
    let moment = Duration::from_millis(1);
    let options = Reconnect::new().first_delay(moment).max_delay(moment);
    let url = format!("ws://{}/prices", server.address);
    let mut feed = Connector::new().stay_connected(&url, options).unwrap();
    let sender = feed.sender();
    let (shown, prices) = mpsc::channel();
    let bot =
        thread::spawn(move || super::run(&mut feed, |price| shown.send(price.to_owned()).unwrap()));
    for _ in 0..3 {
        let price = prices.recv_timeout(PATIENCE).unwrap();
        assert_eq!(price, "1.5 for subscribe prices");
    }
    sender.abort();
    bot.join().unwrap().unwrap();
}

#[test]
fn a_line_of_the_other_thread_comes_behind_the_subscription() {
    let (heard, texts) = mpsc::channel();
    let server = Loopback::run(Server::builder(), move |client| {
        while let Some(message) = client.recv()? {
            heard.send(message.to_string())?;
        }
        Ok(())
    });
    let url = format!("ws://{}/prices", server.address);
    let mut feed = Connector::new()
        .stay_connected(&url, Reconnect::new())
        .unwrap();
    // Before the first connection: the line waits for it.
    let sender = feed.sender();
    let other = sender.clone();
    thread::spawn(move || super::report(&other, PATIENCE));
    let waits = || (sender.waiting_bytes() > 0).then_some(());
    crate::support::eventually("the line that waits", waits);
    let bot = thread::spawn(move || super::run(&mut feed, |_| ()));
    for expected in ["subscribe prices", "still here"] {
        assert_eq!(texts.recv_timeout(PATIENCE).unwrap(), expected);
    }
    sender.close(CloseCode::NORMAL, "").unwrap();
    bot.join().unwrap().unwrap();
}
