//! Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 chapter 6.1).

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1254,
};

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Set {
    /// ISO 8859-1, of which ASCII is a part; what a file has that names none.
    Latin1,
    Other(&'static Encoding),
    /// Two bytes of seven bits: JIS X 0208.
    Jis0208,
    /// Two bytes of seven bits: JIS X 0212.
    Jis0212,
}

const ESCAPE: u8 = 0x1b;

/// Escape sequences of code extensions, and the set each begins (PS3.3 table C.12-3, C.12-4).
const EXTENSIONS: [(&[u8], Set); 20] = [
    (b"$(D", Set::Jis0212),
    (b"$)C", Set::Other(EUC_KR)),
    (b"$)A", Set::Other(GB18030)),
    (b"$B", Set::Jis0208),
    (b"$@", Set::Jis0208),
    (b"(B", Set::Latin1),
    (b"-A", Set::Latin1),
    (b"-B", Set::Other(ISO_8859_2)),
    (b"-C", Set::Other(ISO_8859_3)),
    (b"-D", Set::Other(ISO_8859_4)),
    (b"-L", Set::Other(ISO_8859_5)),
    (b"-G", Set::Other(ISO_8859_6)),
    (b"-F", Set::Other(ISO_8859_7)),
    (b"-H", Set::Other(ISO_8859_8)),
    (b"-M", Set::Other(WINDOWS_1254)),
    (b"-b", Set::Other(ISO_8859_15)),
    (b"-T", Set::Other(WINDOWS_874)),
    (b"(J", Set::Other(SHIFT_JIS)),
    (b")I", Set::Other(SHIFT_JIS)),
    (b"", Set::Latin1),
];

/// Decodes text; what can't be decoded becomes U+FFFD.
///
/// `character_set` is the value of Specific Character Set (0008,0005).
pub(super) fn decode(text: &[u8], character_set: Option<&[u8]>) -> String {
    let first = character_set.unwrap_or_default().split(|&byte| byte == b'\\').next();
    let mut set = set_of(first.unwrap_or_default());
    let mut parts = text.split(|&byte| byte == ESCAPE);
    let mut decoded = decode_part(parts.next().unwrap_or_default(), set);
    for part in parts {
        let (sequence, next) = EXTENSIONS
            .iter()
            .find(|(sequence, _)| part.starts_with(sequence))
            .unwrap_or(&EXTENSIONS[EXTENSIONS.len() - 1]);
        set = *next;
        decoded += &decode_part(&part[sequence.len()..], set);
    }
    decoded.retain(|letter| !letter.is_control());
    decoded.trim().to_owned()
}

/// Returns the set of a defined term such as `ISO_IR 100` or `ISO 2022 IR 100`.
fn set_of(term: &[u8]) -> Set {
    let digits: String =
        String::from_utf8_lossy(term).chars().filter(char::is_ascii_digit).collect();
    let term = String::from_utf8_lossy(term).trim().to_uppercase();
    if term.starts_with("GB") {
        return Set::Other(GB18030);
    }
    let number = digits.strip_prefix("2022").unwrap_or(&digits);
    Set::Other(match number {
        "101" => ISO_8859_2,
        "109" => ISO_8859_3,
        "110" => ISO_8859_4,
        "144" => ISO_8859_5,
        "127" => ISO_8859_6,
        "126" => ISO_8859_7,
        "138" => ISO_8859_8,
        "148" => WINDOWS_1254,
        "203" => ISO_8859_15,
        "13" => SHIFT_JIS,
        "166" => WINDOWS_874,
        "192" => UTF_8,
        "149" => EUC_KR,
        "58" => GB18030,
        "5" if term.contains("BIG") => BIG5,
        _ => return Set::Latin1,
    })
}

fn decode_part(text: &[u8], set: Set) -> String {
    let high = |lead: Option<u8>| -> Vec<u8> {
        let pairs = text.chunks(2).flat_map(|pair| {
            lead.into_iter()
                .filter(|_| pair[0] >= 0x21)
                .chain(pair.iter().map(|byte| if *byte >= 0x21 { byte | 0x80 } else { *byte }))
        });
        pairs.collect()
    };
    match set {
        Set::Latin1 => text.iter().map(|&byte| char::from(byte)).collect(),
        Set::Other(encoding) => encoding.decode_without_bom_handling(text).0.into_owned(),
        Set::Jis0208 => EUC_JP.decode_without_bom_handling(&high(None)).0.into_owned(),
        Set::Jis0212 => EUC_JP.decode_without_bom_handling(&high(Some(0x8f))).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_sets_of_the_standard() {
        assert_eq!(decode(b"Thorax ", None), "Thorax");
        assert_eq!(decode(b"Sch\xe4del", Some(b"ISO_IR 100")), "Sch\u{e4}del");
        assert_eq!(decode(b"Sch\xe4del", None), "Sch\u{e4}del");
        assert_eq!(decode("Sch\u{e4}del".as_bytes(), Some(b"ISO_IR 192")), "Sch\u{e4}del");
        assert_eq!(decode(b"a\xffb", Some(b"ISO_IR 192")), "a\u{fffd}b");
        assert_eq!(decode(b"\xbf\xdf", Some(b"ISO_IR 144")), "\u{41f}\u{43f}");
        let japanese = b"\x1b$B;3ED\x1b(B^";
        assert_eq!(decode(japanese, Some(b"\\ISO 2022 IR 87")), "\u{5c71}\u{7530}^");
        assert_eq!(decode(b"\xcb\xce", Some(b"GB18030")), "\u{5b8b}");
        assert_eq!(decode(b"\x1b$)C\xb1\xe8", Some(b"\\ISO 2022 IR 149")), "\u{ae40}");
    }
}
