//! The bytes of a filter, as a module gives them to its host.
//!
//! ```text
//! filter:  00 count u16 filters   all            place: column u16 ─ count u8 ─ steps
//!          01 count u16 filters   any            step:  00 field u16           field of a struct
//!          02 filter              not                   01                     inside of an option
//!          03 operator u8 place 00 length u32 value     02 variant u8 field u16
//!          03 operator u8 place 01 place  compare       03                     length
//!          04 place               is null
//!          05 place variant u8    is that variant
//! ```

use super::{
    Comparison, Filter, FilterError, MAX_FILTER_DEPTH, MAX_FILTER_PARTS, MAX_FILTER_SIZE, MAX_STEPS, Operand, Operator,
    Place, Step,
};
use crate::codec::Reader;

const ALL: u8 = 0;
const ANY: u8 = 1;
const NOT: u8 = 2;
const COMPARE: u8 = 3;
const IS_NULL: u8 = 4;
const IS: u8 = 5;

const VALUE: u8 = 0;
const PLACE: u8 = 1;

const FIELD: u8 = 0;
const INSIDE: u8 = 1;
const VARIANT: u8 = 2;
const LENGTH: u8 = 3;

/// By their bytes.
const OPERATORS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

impl Filter {
    /// Appends its bytes.
    ///
    /// # Panics
    /// If a list of conditions has more than 65,535, or a place more than 255 steps.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::All(parts) => encode_parts(ALL, parts, out),
            Self::Any(parts) => encode_parts(ANY, parts, out),
            Self::Not(part) => {
                out.push(NOT);
                part.encode(out);
            }
            Self::Compare(Comparison { place, operator, with }) => {
                out.extend([COMPARE, *operator as u8]);
                place.encode(out);
                match with {
                    Operand::Value(bytes) => {
                        out.push(VALUE);
                        out.extend((bytes.len() as u32).to_le_bytes());
                        out.extend(bytes);
                    }
                    Operand::Place(place) => {
                        out.push(PLACE);
                        place.encode(out);
                    }
                }
            }
            Self::IsNull(place) => {
                out.push(IS_NULL);
                place.encode(out);
            }
            Self::Is(place, variant) => {
                out.push(IS);
                place.encode(out);
                out.push(*variant);
            }
        }
    }

    /// Reads a filter from bytes that nobody trusts.
    ///
    /// # Errors
    /// [`FilterError`]: a limit, or bytes that are no filter.
    pub fn decode(bytes: &[u8]) -> Result<Self, FilterError> {
        if bytes.len() > MAX_FILTER_SIZE {
            return Err(FilterError::TooLarge { size: bytes.len() });
        }
        let mut source = Source { reader: Reader::new(bytes), parts_left: MAX_FILTER_PARTS };
        let filter = source.filter(MAX_FILTER_DEPTH)?;
        source.reader.finish().map_err(FilterError::Cut)?;
        Ok(filter)
    }
}

fn encode_parts(tag: u8, parts: &[Filter], out: &mut Vec<u8>) {
    let count = u16::try_from(parts.len()).expect("a filter has fewer than 65,536 conditions in one list");
    out.push(tag);
    out.extend(count.to_le_bytes());
    parts.iter().for_each(|part| part.encode(out));
}

impl Place {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.column.to_le_bytes());
        out.push(u8::try_from(self.steps.len()).expect("a place has fewer than 256 steps"));
        for step in &self.steps {
            match step {
                Step::Field(number) => {
                    out.push(FIELD);
                    out.extend(number.to_le_bytes());
                }
                Step::Inside => out.push(INSIDE),
                Step::Variant(variant, field) => {
                    out.extend([VARIANT, *variant]);
                    out.extend(field.to_le_bytes());
                }
                Step::Length => out.push(LENGTH),
            }
        }
    }
}

struct Source<'s> {
    reader: Reader<'s>,
    parts_left: usize,
}

impl Source<'_> {
    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
        self.parts_left = self.parts_left.checked_sub(1).ok_or(FilterError::TooMany)?;
        Ok(match self.tag()? {
            ALL => Filter::All(self.parts(depth)?),
            ANY => Filter::Any(self.parts(depth)?),
            NOT => Filter::Not(Box::new(self.filter(depth)?)),
            COMPARE => {
                let operator = usize::from(self.tag()?);
                let operator = *OPERATORS.get(operator).ok_or_else(|| self.invalid("operator"))?;
                let place = self.place()?;
                let with = match self.tag()? {
                    VALUE => Operand::Value(self.reader.bytes("a value").map_err(FilterError::Cut)?.to_vec()),
                    PLACE => Operand::Place(self.place()?),
                    _ => return Err(self.invalid("operand")),
                };
                Filter::Compare(Comparison { place, operator, with })
            }
            IS_NULL => Filter::IsNull(self.place()?),
            IS => Filter::Is(self.place()?, self.tag()?),
            _ => return Err(self.invalid("condition")),
        })
    }

    fn parts(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let count = self.number()?;
        // Not allocated at once: the count is not to be trusted.
        (0..count).map(|_| self.filter(depth)).collect()
    }

    fn place(&mut self) -> Result<Place, FilterError> {
        let column = self.number()?;
        let count = usize::from(self.tag()?);
        if count > MAX_STEPS {
            return Err(FilterError::TooMany);
        }
        let steps = (0..count).map(|_| self.step()).collect::<Result<_, _>>()?;
        Ok(Place { column, steps })
    }

    fn step(&mut self) -> Result<Step, FilterError> {
        Ok(match self.tag()? {
            FIELD => Step::Field(self.number()?),
            INSIDE => Step::Inside,
            VARIANT => Step::Variant(self.tag()?, self.number()?),
            LENGTH => Step::Length,
            _ => return Err(self.invalid("step")),
        })
    }

    fn tag(&mut self) -> Result<u8, FilterError> {
        self.reader.array::<1>("a tag").map(|[tag]| tag).map_err(FilterError::Cut)
    }

    fn number(&mut self) -> Result<u16, FilterError> {
        self.reader.array("a number").map(u16::from_le_bytes).map_err(FilterError::Cut)
    }

    /// The byte that was read last is none that is known.
    fn invalid(&self, expected: &'static str) -> FilterError {
        let position = self.reader.position() - 1;
        FilterError::InvalidTag { expected, found: self.reader.byte_before(), position }
    }
}
