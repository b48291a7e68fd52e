/// One tag's data.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Text(String),
    Texts(Vec<String>),
    Translated(String),
}

/// A header being put together: tags with their data, written as one immutable region.
#[derive(Debug, Default)]
pub(super) struct Header {
    entries: Vec<(u32, Value)>,
}

const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
/// Type number of binary data, which regions are.
const BINARY: u32 = 7;

impl Value {
    /// Type number, alignment and number of elements.
    fn shape(&self) -> (u32, usize, usize) {
        match self {
            Self::Int16(values) => (3, 2, values.len()),
            Self::Int32(values) => (4, 4, values.len()),
            Self::Text(_) => (6, 1, 1),
            Self::Texts(texts) => (8, 1, texts.len()),
            Self::Translated(_) => (9, 1, 1),
        }
    }

    fn write(&self, store: &mut Vec<u8>) {
        let mut text = |text: &str| {
            store.extend(text.bytes().filter(|byte| *byte != 0));
            store.push(0);
        };
        match self {
            Self::Int16(values) => store.extend(values.iter().flat_map(|value| value.to_be_bytes())),
            Self::Int32(values) => store.extend(values.iter().flat_map(|value| value.to_be_bytes())),
            Self::Text(value) | Self::Translated(value) => text(value),
            Self::Texts(values) => values.iter().for_each(|value| text(value)),
        }
    }
}

impl Header {
    /// Adds a tag; a tag without elements is left out, as rpm demands.
    pub fn add(&mut self, tag: u32, value: Value) {
        if value.shape().2 > 0 {
            self.entries.push((tag, value));
        }
    }

    /// The bytes, with `region` (62 for signatures, 63 for the main header) around all tags.
    pub fn encode(mut self, region: u32) -> Vec<u8> {
        self.entries.sort_by_key(|(tag, _)| *tag);
        let mut store = Vec::new();
        let mut index = Vec::new();
        for (tag, value) in &self.entries {
            let (kind, alignment, count) = value.shape();
            store.resize(store.len().next_multiple_of(alignment), 0);
            index.extend(entry(*tag, kind, store.len() as u32, count as u32));
            value.write(&mut store);
        }
        // The region's data is an index entry that points back over the whole index, itself included.
        let whole = index.len() as u32 + 16;
        let first = entry(region, BINARY, store.len() as u32, 16);
        store.extend(entry(region, BINARY, whole.wrapping_neg(), 16));
        let mut bytes = MAGIC.to_vec();
        bytes.extend((whole / 16).to_be_bytes());
        bytes.extend((store.len() as u32).to_be_bytes());
        bytes.extend(first);
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }
}

fn entry(tag: u32, kind: u32, offset: u32, count: u32) -> impl Iterator<Item = u8> {
    [tag, kind, offset, count].into_iter().flat_map(u32::to_be_bytes)
}
