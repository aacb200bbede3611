//! The smallest server: it sends every message back to its sender, in every version.
//!
//! `echo [ADDRESS]`, by default 127.0.0.1:9001. Conformance suites send messages of many MiB, so
//! its limit is 64 MiB. With the feature `deflate` it accepts every offer of compression.

fn main() -> std::io::Result<()> {
    env_logger::init();
    let address = std::env::args().nth(1);
    let builder = stentor::Server::builder().max_message_size(64 * 1024 * 1024);
    #[cfg(feature = "deflate")]
    let builder = {
        let deflate = stentor::Deflate::new().send_takeover(true);
        builder.deflate(deflate.receive_takeover(true))
    };
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let server = builder.listen(address).build()?;
    println!("listening on ws://{}", server.local_addr()?);
    server.run(|client| {
        while let Some(message) = client.recv()? {
            client.send(message)?;
        }
        Ok(())
    })
}
