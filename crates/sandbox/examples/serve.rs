//! Runs a sandbox: `serve [ADDR] [CONFIG.toml]`, with a certificate made for the occasion. Prints its address and, when
//! asked with `CA_FILE`, writes the authority to trust there. Ctrl-C ends it.

use std::io::Write as _;
use std::net::SocketAddr;

use sandbox::{Config, Sandbox, Tls};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:9000").parse()?;
    let config = match arguments.next() {
        Some(path) => Config::from_toml(&std::fs::read_to_string(path)?)?,
        None => Config::default(),
    };
    let running = Sandbox::start(config, listen, Some(Tls::self_signed(&[])?)).await?;
    if let (Ok(path), Some(pem)) = (std::env::var("CA_FILE"), running.ca_pem()) {
        std::fs::write(path, pem)?;
    }
    writeln!(std::io::stdout(), "http://{} {}", running.addr, running.base_url)?;
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
