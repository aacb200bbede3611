//! Sends every message back to its sender.

fn main() -> std::io::Result<()> {
    stentor::Server::bind("127.0.0.1:9001")?.run(|client| {
        while let Some(message) = client.recv()? {
            client.send(message)?;
        }
        Ok(())
    })
}
