//! Files of exports: one that is being written and may be continued, and one that is read to be imported.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use contract::stored::StoredCommit;
use contract::stored::export::{ExportedBuyer, Header, Line, Totals};
use domain::BuyerId;

use crate::Failure;

/// A buyer in a file, with all its commits, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The buyer's id.
    pub buyer: BuyerId,
    /// How far its effects were settled.
    pub about: ExportedBuyer,
    /// Its commits.
    pub commits: Vec<StoredCommit>,
}

/// Reads an export buyer by buyer. Memory holds one buyer.
#[derive(Debug)]
pub struct Reader {
    name: String,
    input: BufReader<File>,
    /// The number of the line read last, and the place after it.
    line: u64,
    place: u64,
    /// What was read so far.
    totals: Totals,
    seen: BTreeSet<BuyerId>,
    is_at_end: bool,
}

/// What follows in a file.
enum Next {
    Line(Line),
    /// The file ends here, perhaps within a line.
    CutOff,
}

/// The beginning of a file.
enum Begun {
    Whole(Header),
    /// Not even the header is whole.
    CutOff,
}

impl Reader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Failure::Read`], [`Failure::BadLine`].
    pub fn open(path: &Path) -> Result<(Self, Header), Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| Failure::Read { file: name.clone(), source })?;
        let mut reader = Self::on(name, file);
        match reader.begin()? {
            Begun::Whole(header) => Ok((reader, header)),
            Begun::CutOff => Err(reader.bad(CUT_OFF)),
        }
    }

    fn on(name: String, file: File) -> Self {
        let input = BufReader::new(file);
        Self {
            name,
            input,
            line: 0,
            place: 0,
            totals: Totals::default(),
            seen: BTreeSet::new(),
            is_at_end: false,
        }
    }

    fn begin(&mut self) -> Result<Begun, Failure> {
        match self.next()? {
            Next::Line(Line::Export(header)) => Ok(Begun::Whole(header)),
            Next::Line(Line::Buyer(_) | Line::Commit(_) | Line::End(_)) => {
                Err(self.bad("the first line of an export must be its header"))
            }
            Next::CutOff => Ok(Begun::CutOff),
        }
    }

    /// The next buyer; `None` at the end of a whole file.
    ///
    /// # Errors
    /// [`Failure::Read`]; [`Failure::BadLine`], also for a file that is cut off.
    pub fn buyer(&mut self) -> Result<Option<Exported>, Failure> {
        if self.is_at_end {
            return Ok(None);
        }
        match self.part()? {
            Part::Buyer(exported) => Ok(Some(*exported)),
            Part::End => {
                self.is_at_end = true;
                Ok(None)
            }
            Part::CutOff => Err(self.bad(CUT_OFF)),
        }
    }

    fn part(&mut self) -> Result<Part, Failure> {
        let about = match self.next()? {
            Next::Line(Line::Buyer(about)) => about,
            Next::Line(Line::End(totals)) if totals == self.totals => return self.nothing_follows(),
            Next::Line(Line::End(_)) => {
                return Err(self.bad("the file has other numbers of buyers and commits"));
            }
            Next::Line(Line::Export(_) | Line::Commit(_)) => {
                return Err(self.bad("a buyer must follow here, or the end"));
            }
            Next::CutOff => return Ok(Part::CutOff),
        };
        let buyer = BuyerId::parse(&about.buyer).map_err(|_| self.bad("`buyer` is not an id"))?;
        if !self.seen.insert(buyer.clone()) {
            return Err(self.bad("this buyer was listed before"));
        }
        let mut commits: Vec<StoredCommit> = Vec::new();
        for _ in 0..about.commits {
            let commit = match self.next()? {
                Next::Line(Line::Commit(commit)) => *commit,
                Next::Line(Line::Export(_) | Line::Buyer(_) | Line::End(_)) => {
                    return Err(self.bad("another commit of the buyer must follow here"));
                }
                Next::CutOff => {
                    self.seen.remove(&buyer);
                    return Ok(Part::CutOff);
                }
            };
            if commit.buyer != about.buyer
                || commits.last().is_some_and(|last| commit.sequence <= last.sequence)
            {
                return Err(self.bad("the commit is of another buyer or out of order"));
            }
            commits.push(commit);
        }
        self.totals.buyers += 1;
        self.totals.commits += about.commits;
        Ok(Part::Buyer(Box::new(Exported { buyer, about, commits })))
    }

    fn nothing_follows(&mut self) -> Result<Part, Failure> {
        match self.next()? {
            Next::CutOff if self.has_read_all()? => Ok(Part::End),
            Next::CutOff | Next::Line(_) => Err(self.bad("nothing may follow the end")),
        }
    }

    fn has_read_all(&self) -> Result<bool, Failure> {
        let length = self.input.get_ref().metadata().map_err(|source| self.unread(source))?.len();
        Ok(length == self.place)
    }

    fn next(&mut self) -> Result<Next, Failure> {
        let mut bytes = Vec::new();
        let read = self.input.read_until(b'\n', &mut bytes);
        read.map_err(|source| self.unread(source))?;
        self.line += 1;
        let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(Next::CutOff) };
        self.place += bytes.len() as u64;
        Line::parse(line).map(Next::Line).map_err(|rule| self.bad(rule))
    }

    fn bad(&self, rule: &str) -> Failure {
        Failure::BadLine { file: self.name.clone(), line: self.line, rule: rule.to_owned() }
    }

    fn unread(&self, source: std::io::Error) -> Failure {
        Failure::Read { file: self.name.clone(), source }
    }
}

/// A part of a file after its header.
enum Part {
    Buyer(Box<Exported>),
    End,
    CutOff,
}

const CUT_OFF: &str = "the file is cut off here: the export was interrupted (run it again with the same file to go on) or \
                       the file was not copied whole";

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Partial {
    name: String,
    file: File,
}

impl Partial {
    /// Opens or creates a file. Of an interrupted export, it keeps the whole buyers and removes what follows them.
    /// Returns what it contains.
    pub(super) fn open(path: &Path, header: Header) -> Result<(Self, Totals, BTreeSet<BuyerId>), Failure> {
        let name = path.display().to_string();
        let failed = |source| Failure::WriteFile { file: name.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut reader = Reader::on(name.clone(), file.try_clone().map_err(failed)?);
        let mut whole = 0;
        match reader.begin()? {
            Begun::CutOff => {
                let begun = std::fs::read(path).map_err(failed)?;
                if !Line::Export(header).write().as_bytes().starts_with(&begun) {
                    return Err(reader.bad("not an export: use another file"));
                }
            }
            Begun::Whole(other) if other != header => {
                return Err(reader.bad(
                    "the file was begun with or without --contact: use the same option, or another file",
                ));
            }
            Begun::Whole(_) => loop {
                // The header alone is written again, because a file without buyers is begun anew.
                whole = if reader.totals.buyers == 0 { 0 } else { reader.place };
                match reader.part()? {
                    Part::Buyer(_) => {}
                    Part::CutOff => break,
                    Part::End => {
                        return Err(Failure::Usage(format!("{name} is a whole export: use another file")));
                    }
                }
            },
        }
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { name, file }, reader.totals, reader.seen))
    }

    pub(super) fn add(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|source| Failure::WriteFile { file: self.name.clone(), source })
    }
}
