//! ClamAV's daemon: asked over its socket whether content is malware (clamd(8), `INSTREAM`).

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// How long the daemon may take for one document.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much is sent at once.
const PIECE: usize = 64 * 1024;
/// The longest answer.
const ANSWER: u64 = 1024;

/// The daemon behind a socket of this machine.
#[derive(Clone, Debug)]
pub struct Clamd {
    socket: PathBuf,
}

impl Clamd {
    /// The daemon that listens there.
    pub const fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The name of the malware in the content, if there is one.
    pub async fn scan(&self, content: &[u8]) -> anyhow::Result<Option<String>> {
        timeout(PATIENCE, self.ask(content)).await.context("it takes too long")?
    }

    async fn ask(&self, content: &[u8]) -> anyhow::Result<Option<String>> {
        let mut stream = UnixStream::connect(&self.socket).await.context("it does not listen")?;
        stream.write_all(b"zINSTREAM\0").await?;
        for piece in content.chunks(PIECE) {
            stream.write_all(&u32::try_from(piece.len())?.to_be_bytes()).await?;
            stream.write_all(piece).await?;
        }
        stream.write_all(&0_u32.to_be_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER).read_to_string(&mut answer).await?;
        read(answer.trim_end_matches('\0').trim())
    }
}

/// `stream: OK`, or `stream: NAME FOUND`; everything else is no verdict.
fn read(answer: &str) -> anyhow::Result<Option<String>> {
    match answer.strip_prefix("stream: ") {
        Some("OK") => Ok(None),
        Some(found) if found.ends_with(" FOUND") => {
            Ok(Some(found.trim_end_matches(" FOUND").to_owned()))
        }
        _ => bail!("it gives no verdict: {answer:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_verdict_counts() {
        assert_eq!(read("stream: OK").unwrap(), None);
        assert_eq!(read("stream: Eicar-Test FOUND").unwrap().unwrap(), "Eicar-Test");
        for other in ["", "INSTREAM size limit exceeded. ERROR", "stream: OK?", "OK"] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
