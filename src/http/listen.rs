//! Taking connections.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// The next connection, and from where it is. What is written to it leaves at once: otherwise each event of a
/// stream waits for the acknowledgement of the one before.
///
/// # Errors
/// What the system says of it.
pub(super) async fn accept(listener: &TcpListener) -> std::io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    // Without it the connection is slow, and works.
    let _ = stream.set_nodelay(true);
    Ok((stream, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_over_an_event_stream_is_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, address) = accept(&listener).await.unwrap();
        assert_eq!((stream.nodelay().unwrap(), address), (true, client.local_addr().unwrap()));
    }
}
