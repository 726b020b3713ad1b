//! Frames of the agent protocol (`agent/PROTOCOL.md`): length, kind, thread, payload.

use std::io::{self, Read, Write};

/// Largest payload that either side may send.
const MAX_PAYLOAD: u32 = 256 << 20;

/// Bytes before the payload.
const HEADER: usize = 8;

/// One frame from an agent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// Node's `threadId`.
    pub(crate) thread: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Hello,
    Records,
    CpuPiece,
    Note,
    Thread,
    Reply,
    Source,
    Counts,
    Calls,
    Heap,
    Async,
    Deopts,
    /// From a newer agent; skipped.
    Unknown,
}

/// Reads the next frame; `None` at the end of the stream.
pub(crate) fn read_frame(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    match stream.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if length > MAX_PAYLOAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let kind = match header[4] {
        1 => FrameKind::Hello,
        2 => FrameKind::Records,
        3 => FrameKind::CpuPiece,
        4 => FrameKind::Note,
        5 => FrameKind::Thread,
        6 => FrameKind::Reply,
        7 => FrameKind::Source,
        10 => FrameKind::Counts,
        11 => FrameKind::Calls,
        12 => FrameKind::Heap,
        8 => FrameKind::Async,
        14 => FrameKind::Deopts,
        _ => FrameKind::Unknown,
    };
    let thread = u32::from(u16::from_le_bytes([header[6], header[7]]));
    // Grown as bytes arrive: a length alone must not make us allocate.
    let mut payload = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut payload)?;
    if payload.len() < length as usize {
        return Ok(None);
    }
    Ok(Some(Frame { kind, thread, payload }))
}

/// Sends a command.
pub(crate) fn write_command(stream: &mut impl Write, command: &serde_json::Value) -> io::Result<()> {
    const COMMAND: u8 = 16;
    let payload = command.to_string().into_bytes();
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&[COMMAND, 0, 0, 0]);
    frame.extend_from_slice(&payload);
    stream.write_all(&frame)
}

/// One record of the probe's ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RingRecord {
    pub(crate) kind: u32,
    /// On the `performance.now()` scale of the process, ms.
    pub(crate) t_ms: f64,
    pub(crate) a: f64,
    pub(crate) b: f64,
}

/// Decodes the payload of a records frame; a rest shorter than a record is ignored.
pub(crate) fn ring_records(payload: &[u8]) -> impl Iterator<Item = RingRecord> + '_ {
    payload.as_chunks::<32>().0.iter().map(|bytes| {
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |index: usize| f64::from_le_bytes(numbers[index]);
        RingRecord { kind: number(0) as u32, t_ms: number(1), a: number(2), b: number(3) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_frames_and_stops_at_a_cut_one() {
        let mut bytes = vec![3, 0, 0, 0, 4, 0, 2, 0, b'a', b'b', b'c'];
        bytes.extend_from_slice(&[9, 0, 0, 0, 1, 0, 0, 0, b'x']);
        let mut stream = bytes.as_slice();
        let frame = read_frame(&mut stream).unwrap().unwrap();
        assert_eq!(
            (frame.kind, frame.thread, frame.payload.as_slice()),
            (FrameKind::Note, 2, b"abc".as_slice())
        );
        assert!(read_frame(&mut stream).unwrap().is_none());
    }

    #[test]
    fn refuses_absurd_lengths() {
        let mut stream: &[u8] = &[255, 255, 255, 255, 1, 0, 0, 0];
        assert!(read_frame(&mut stream).is_err());
    }
}
