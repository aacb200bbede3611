//! A server for proxies that speak the PROXY protocol: `proxied [ADDRESS]`, by default 127.0.0.1:9003.
//!
//! It trusts the proxies on 127.0.0.1. Each client receives the address that its proxy has named, and then
//! its own messages.

use stentor::Server;
use stentor::server::TrustedProxies;

fn main() -> std::io::Result<()> {
    env_logger::init();
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9003");
    let proxies = TrustedProxies::new(["127.0.0.1"]).map_err(std::io::Error::other)?;
    let server = Server::builder().listen(address).proxy_protocol(proxies);
    let server = server.build()?;
    println!("listening on ws://{}", server.local_addr()?);
    server.run(|client| {
        client.send(client.peer().to_string())?;
        while let Some(message) = client.recv()? {
            client.send(message)?;
        }
        Ok(())
    })
}
