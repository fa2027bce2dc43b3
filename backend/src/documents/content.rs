//! What a file is, by its content: its name and what its sender says of it count for nothing.

use imagesize::ImageType;
use unicode_normalization::UnicodeNormalization;

/// The most pixels of a picture: a scan of A3 at 600 dots per inch, twice.
const PIXELS: usize = 140_000_000;
/// The most pixels of one side.
const SIDE: usize = 30_000;
/// How far from its end a PDF says that it ends (ISO 32000-1, annex H, note 18).
const PDF_END: usize = 1024;
/// What makes a PDF act: scripts, programs that are started, files in it (ISO 32000-1, 12.6.4).
const ACTIVE: [&[u8]; 4] = [b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/RichMedia"];
/// The last record of a zip archive, which may stand behind anything (APPNOTE 4.3.16).
const ZIP_END: &[u8] = b"PK\x05\x06";
/// How far from its end a zip archive can have it: the record and its longest comment.
const ZIP_TAIL: usize = 22 + 65_535;

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is nothing of what is taken.
    Unknown,
    /// It is empty, cut off, or something else goes on behind its end.
    NotWhole,
    /// It is also an archive.
    Archive,
    /// A picture of too many pixels.
    TooManyPixels,
    /// A PDF that acts.
    Active,
}

impl Refusal {
    /// The reason, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unknown => {
                "a PDF, PNG, JPEG, TIFF or DICOM file; the content decides, not the name"
            }
            Self::NotWhole => {
                "is not a whole file: it is cut off, or something else follows its end"
            }
            Self::Archive => "is an archive as well; send what is in it",
            Self::TooManyPixels => "is a picture of too many pixels; at most 140 million are taken",
            Self::Active => {
                "is a PDF with scripts, programs or files in it; print it to a new PDF first"
            }
        }
    }
}

/// The media type of a file that may be a document.
pub fn media_type(content: &[u8]) -> Result<&'static str, Refusal> {
    let found = match content {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png(content),
        [0xff, 0xd8, 0xff, ..] => jpeg(content),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            picture(content, ImageType::Tiff).map(|()| "image/tiff")
        }
        [b'%', b'P', b'D', b'F', b'-', b'1' | b'2', b'.', ..] => pdf(content),
        _ if content.get(128..132) == Some(b"DICM") => dicom(content),
        _ => Err(Refusal::Unknown),
    }?;
    let tail = &content[content.len().saturating_sub(ZIP_TAIL)..];
    if holds(tail, ZIP_END) { Err(Refusal::Archive) } else { Ok(found) }
}

/// Ends with its IEND chunk (PNG, W3C 2003, 11.2.5).
fn png(content: &[u8]) -> Result<&'static str, Refusal> {
    picture(content, ImageType::Png)?;
    // Chunk by chunk (5.3): a length, a type, so many bytes, a checksum; the first IEND is the end.
    let mut rest = &content[8..];
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = head;
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some(next) = length.checked_add(4).and_then(|whole| after.get(whole..)) else { break };
        if kind == b"IEND" {
            return if next.is_empty() { Ok("image/png") } else { Err(Refusal::NotWhole) };
        }
        rest = next;
    }
    Err(Refusal::NotWhole)
}

/// Ends with its EOI marker (ITU-T T.81, B.1.1.3), and with nothing but zeros behind it.
fn jpeg(content: &[u8]) -> Result<&'static str, Refusal> {
    picture(content, ImageType::Jpeg)?;
    let zeros = content.iter().rev().take_while(|byte| **byte == 0).count();
    let end = content[..content.len() - zeros].ends_with(&[0xff, 0xd9]);
    if end { Ok("image/jpeg") } else { Err(Refusal::NotWhole) }
}

fn picture(content: &[u8], kind: ImageType) -> Result<(), Refusal> {
    let found = imagesize::image_type(content).ok();
    let size = imagesize::blob_size(content).map_err(|_| Refusal::NotWhole)?;
    if found != Some(kind) || size.width == 0 || size.height == 0 {
        return Err(Refusal::NotWhole);
    }
    let pixels = size.width.checked_mul(size.height);
    let fits = size.width <= SIDE && size.height <= SIDE && pixels.is_some_and(|all| all <= PIXELS);
    if fits { Ok(()) } else { Err(Refusal::TooManyPixels) }
}

fn pdf(content: &[u8]) -> Result<&'static str, Refusal> {
    let tail = &content[content.len().saturating_sub(PDF_END)..];
    if !holds(tail, b"%%EOF") {
        return Err(Refusal::NotWhole);
    }
    // Names can be written with #-codes, too: both spellings are looked at.
    let plain = spelled_out(content);
    let acts = ACTIVE.iter().any(|name| holds(content, name) || holds(&plain, name));
    if acts { Err(Refusal::Active) } else { Ok("application/pdf") }
}

/// A PDF's names with their `#4a` codes replaced (ISO 32000-1, 7.3.5).
fn spelled_out(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(content.len());
    let mut at = 0;
    while let Some(&byte) = content.get(at) {
        let code = match (byte, content.get(at + 1..at + 3)) {
            (b'#', Some(digits)) => std::str::from_utf8(digits).ok().and_then(hexadecimal),
            _ => None,
        };
        plain.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    plain
}

fn hexadecimal(digits: &str) -> Option<u8> {
    // The parser would take a sign, too.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u8::from_str_radix(digits, 16).ok())?
}

/// 128 bytes, `DICM`, then the file meta information, group 0002 (DICOM PS3.10, 7.1). The 128 bytes
/// may be anything, and so another format's beginning: only zeros are taken.
fn dicom(content: &[u8]) -> Result<&'static str, Refusal> {
    let preamble = &content[..128];
    let plain = preamble.iter().all(|byte| *byte == 0);
    if plain && content.get(132..134) == Some(&[2, 0]) {
        Ok("application/dicom")
    } else {
        Err(Refusal::Unknown)
    }
}

fn holds(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|part| part == wanted)
}

/// The name of a file, without folders, controls and marks that turn the direction of text.
pub fn file_name(given: &str) -> String {
    const MOST: usize = 150;
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let plain: String = last.nfc().filter(|c| !c.is_control() && !turns(*c)).collect();
    let plain: String = plain.trim().trim_start_matches('.').chars().take(MOST).collect();
    if plain.is_empty() { "document".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

    /// A PNG of so many pixels, with a header that says so and no picture.
    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(height.to_be_bytes());
        png.extend(b"\x08\x02\0\0\0\0\0\0\0\0\0\0\0IEND\xae\x42\x60\x82");
        png
    }

    #[test]
    fn the_content_decides() {
        assert_eq!(media_type(&png_of(4, 4)), Ok("image/png"));
        assert_eq!(media_type(PDF), Ok("application/pdf"));
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM\x02\0\0\0UL\x04\0");
        assert_eq!(media_type(&dicom), Ok("application/dicom"));
        for other in [
            &b""[..],
            b"GIF89a",
            b"PK\x03\x04 a zip",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"<!doctype html><script>alert(1)</script>",
            b"MZ a program",
            b" %PDF-1.4 %%EOF",
        ] {
            assert_eq!(media_type(other), Err(Refusal::Unknown), "{other:?}");
        }
    }

    #[test]
    fn what_is_two_things_at_once_is_neither() {
        let with = |content: &[u8], more: &[u8]| [content, more].concat();
        let script = b"<script>alert(1)</script>";
        assert_eq!(media_type(&with(&png_of(4, 4), script)), Err(Refusal::NotWhole));
        let twice = with(&with(&png_of(4, 4), script), b"\0\0\0\0IEND\xae\x42\x60\x82");
        assert_eq!(media_type(&twice), Err(Refusal::NotWhole));
        let archive = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(media_type(&with(PDF, archive)), Err(Refusal::Archive));
        let mut html = vec![b' '; 128];
        html[..4].copy_from_slice(b"<svg");
        html.extend(b"DICM\x02\0");
        assert_eq!(media_type(&html), Err(Refusal::Unknown));
    }

    #[test]
    fn bombs_are_seen_before_they_go_off() {
        assert_eq!(media_type(&png_of(50_000, 10)), Err(Refusal::TooManyPixels));
        assert_eq!(media_type(&png_of(20_000, 20_000)), Err(Refusal::TooManyPixels));
        assert_eq!(media_type(&png_of(0, 10)), Err(Refusal::NotWhole));
    }

    #[test]
    fn a_pdf_that_acts_is_refused_however_it_is_spelled() {
        for action in [
            "/JavaScript (app.alert(1))",
            "/J#61vaScript",
            "/Launch /F (cmd.exe)",
            "/EmbeddedFiles",
        ] {
            let pdf = format!("%PDF-1.7\n1 0 obj<<{action}>>endobj\n%%EOF");
            assert_eq!(media_type(pdf.as_bytes()), Err(Refusal::Active), "{action}");
        }
        assert_eq!(media_type(b"%PDF-1.7\n1 0 obj"), Err(Refusal::NotWhole));
    }

    #[test]
    fn names_of_files_lead_nowhere() {
        for (given, kept) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\scan.pdf", "scan.pdf"),
            ("..", "document"),
            ("", "document"),
            (".htaccess", "htaccess"),
            ("a\u{202e}fdp.exe\r\n\0", "afdp.exe"),
        ] {
            assert_eq!(file_name(given), kept, "{given:?}");
        }
        assert_eq!(file_name(&"x".repeat(1000)).len(), 150);
    }
}
