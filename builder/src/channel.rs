//! The host's end of the guest's channel. What arrives is hostile input.

use protocol::guest::{DATA, FromGuest, JSON, LOG, MAX_FRAME, ToGuest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why the channel ended.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The guest closed it, or QEMU ended.
    #[error("the guest is gone")]
    Gone,
    /// The guest does not keep to the protocol.
    #[error("the guest broke the protocol: {0}")]
    Broken(String),
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message(FromGuest),
    /// Bytes of an artefact.
    Data(Vec<u8>),
    /// Bytes of the log.
    Log(Vec<u8>),
}

/// Reads one frame. Memory is bounded by [`MAX_FRAME`]. Not safe to drop in the middle.
pub async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> Result<Frame, ChannelError> {
    let length = from.read_u32().await.map_err(|_| ChannelError::Gone)? as usize;
    if !(1..=MAX_FRAME).contains(&length) {
        return Err(ChannelError::Broken(format!("a frame of {length} bytes")));
    }
    let kind = from.read_u8().await.map_err(|_| ChannelError::Gone)?;
    let mut body = vec![0; length - 1];
    from.read_exact(&mut body).await.map_err(|_| ChannelError::Gone)?;
    match kind {
        DATA => Ok(Frame::Data(body)),
        LOG => Ok(Frame::Log(body)),
        JSON => serde_json::from_slice(&body)
            .map(Frame::Message)
            .map_err(|error| ChannelError::Broken(format!("a message that is none: {error}"))),
        _ => Err(ChannelError::Broken(format!("a frame of type {kind}"))),
    }
}

/// Writes one message.
pub async fn write_message(
    to: &mut (impl AsyncWrite + Unpin),
    message: &ToGuest,
) -> Result<(), ChannelError> {
    let body = serde_json::to_vec(message).map_err(|error| ChannelError::Broken(error.to_string()))?;
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    if length as usize > MAX_FRAME {
        return Err(ChannelError::Broken(format!(
            "the host's message has {length} bytes"
        )));
    }
    let mut frame = length.to_be_bytes().to_vec();
    frame.push(JSON);
    frame.extend_from_slice(&body);
    to.write_all(&frame).await.map_err(|_| ChannelError::Gone)?;
    to.flush().await.map_err(|_| ChannelError::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Frame, ChannelError> {
        read_frame(&mut &*bytes).await
    }

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(body.len() + 1).unwrap().to_be_bytes().to_vec();
        frame.push(kind);
        frame.extend_from_slice(body);
        frame
    }

    #[tokio::test]
    async fn frames_are_read() {
        assert_eq!(read(&frame(LOG, b"x")).await.unwrap(), Frame::Log(b"x".to_vec()));
        assert_eq!(read(&frame(DATA, b"")).await.unwrap(), Frame::Data(Vec::new()));
        let hello = read(&frame(JSON, br#"{"type":"hello","protocol":1}"#))
            .await
            .unwrap();
        assert_eq!(hello, Frame::Message(FromGuest::Hello { protocol: 1 }));
    }

    #[tokio::test]
    async fn hostile_frames_end_the_channel() {
        let broken = |result| matches!(result, Err(ChannelError::Broken(_)));
        let gone = |result| matches!(result, Err(ChannelError::Gone));
        assert!(broken(read(&[0xff; 64]).await));
        assert!(broken(read(&[0, 0, 0, 0, JSON]).await));
        assert!(broken(read(&[0, 0x10, 0, 1, LOG]).await));
        assert!(broken(read(&frame(b'X', b"x")).await));
        assert!(broken(read(&frame(JSON, b"\xff\xfe")).await));
        assert!(broken(read(&frame(JSON, b"{\"type\":\"evil\"}")).await));
        assert!(broken(
            read(&frame(JSON, br#"{"type":"file","name":"../x","size":1}"#)).await
        ));
        assert!(broken(
            read(&frame(JSON, br#"{"type":"file","name":"x","size":-1}"#)).await
        ));
        assert!(broken(read(&frame(JSON, &vec![b'['; 100_000])).await));
        assert!(gone(read(&[]).await));
        assert!(gone(read(&[0, 0, 0]).await));
        assert!(gone(read(&[0, 0, 0, 9, LOG, 1]).await));
    }

    #[tokio::test]
    async fn messages_are_written_as_frames() {
        let mut out = Vec::new();
        write_message(&mut out, &ToGuest::PowerOff).await.unwrap();
        assert_eq!(out, frame(JSON, br#"{"type":"power_off"}"#));
    }
}
