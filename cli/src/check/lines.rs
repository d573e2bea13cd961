use std::io::{self, BufRead, ErrorKind};

use contract::incoming::{IncomingEvent, LARGEST_BODY, Refusal, decode};

/// Reads a file of any size line by line. Only the beginning is kept of a line longer than the largest event.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    kept: Vec<u8>,
}

/// One line, without its line ending.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// The line's number, from 1.
    pub(crate) number: u64,
    /// Its length in the file, in bytes.
    bytes: usize,
    /// The whole line, or only its beginning if it is too large.
    kept: &'a [u8],
}

/// What a line contains, judged by the contract.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Blank,
    Event {
        body: &'a str,
        incoming: Box<IncomingEvent>,
    },
    NotUtf8,
    /// It begins with a byte order mark, which some editors write at the beginning of a file.
    ByteOrderMark,
    Refused(Refusal),
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn of(reader: R) -> Self {
        Self { reader, number: 0, kept: Vec::new() }
    }

    /// The next line; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        // Besides the largest body, the carriage return of a line ending must fit.
        const KEPT: usize = LARGEST_BODY + 2;
        self.kept.clear();
        let mut bytes = 0;
        let mut has_line = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            has_line = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            bytes += taken.len();
            let room = KEPT - self.kept.len();
            self.kept.extend(taken.iter().take(room));
            let used = taken.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !has_line {
            return Ok(None);
        }
        self.number += 1;
        if bytes == self.kept.len() && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
            bytes -= 1;
        }
        Ok(Some(Line { number: self.number, bytes, kept: &self.kept }))
    }
}

impl<'a> Line<'a> {
    pub(crate) fn content(&self) -> Content<'a> {
        if self.bytes > LARGEST_BODY {
            return Content::Refused(Refusal::TooLarge { bytes: self.bytes });
        }
        let Ok(body) = std::str::from_utf8(self.kept) else {
            return Content::NotUtf8;
        };
        if body.starts_with('\u{feff}') {
            return Content::ByteOrderMark;
        }
        if body.trim().is_empty() {
            return Content::Blank;
        }
        match decode(body) {
            Ok(incoming) => Content::Event { body, incoming: Box::new(incoming) },
            Err(refusal) => Content::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, LARGEST_BODY, Lines, Refusal};

    fn lines(text: &[u8]) -> Vec<(u64, usize)> {
        // The reader returns three bytes at a time, so that lines span its buffers.
        let mut lines = Lines::of(std::io::BufReader::with_capacity(3, text));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.bytes));
        }
        found
    }

    #[test]
    fn lines_are_counted_with_any_line_ending() {
        assert_eq!(lines(b"abcdef\n\r\nab\r\nlast"), [(1, 6), (2, 0), (3, 2), (4, 4)]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [(1, 0)]);
    }

    #[test]
    fn a_line_is_too_large_by_its_bytes_and_is_never_kept_whole() {
        for (bytes, fits) in [(LARGEST_BODY, true), (LARGEST_BODY + 1, false), (3 * LARGEST_BODY, false)] {
            let text = format!("{}\r\n{{}}\n", " ".repeat(bytes));
            let mut lines = Lines::of(text.as_bytes());
            let line = lines.next().unwrap().unwrap();
            match line.content() {
                Content::Blank => assert!(fits, "{bytes}"),
                Content::Refused(refusal) => {
                    // A carriage return is removed only if the whole line was kept.
                    assert!(!fits, "{bytes}");
                    assert!(matches!(refusal, Refusal::TooLarge { bytes: reported } if reported >= bytes));
                }
                Content::Event { .. } | Content::NotUtf8 | Content::ByteOrderMark => panic!("{bytes}"),
            }
            assert!(lines.kept.capacity() <= 2 * LARGEST_BODY + 4, "{}", lines.kept.capacity());
            assert_eq!(lines.next().unwrap().unwrap().number, 2);
        }
    }
}
