//! Reducers that run later: named by a type, so that the compiler checks what they are called with.
//!
//! Beside each reducer that others may call, `#[reducer]` makes a type of the same name. Its arguments are a chain of pairs that ends
//! with `()`, for a macro sees types and not which of them are handles; a tuple is a chain of the same types.
//!
//! ```test_harness
//! # use interstice_sdk::prelude::*;
//! # use interstice_sdk::test::TestDatabase;
//! # #[table]
//! # pub struct Rung { #[primary_key] pub text: String, pub times: u32 }
//! #[reducer]
//! fn ring(rung: Write<Rung>, text: String, times: u32) {
//!     rung.insert(Rung { text, times });
//! }
//!
//! #[reducer]
//! fn set(ctx: &ReducerContext, text: String) -> ScheduleId {
//!     ctx.schedule::<ring>(Duration::from_secs(1), (text, 3)) // the arguments, without the handle
//! }
//!
//! #[interstice_sdk::test]
//! fn it_rings(db: &mut TestDatabase) {
//!     db.call::<ScheduleId>("set", ("tea",)).unwrap();
//!     db.advance(Duration::from_secs(2));
//!     assert_eq!(db.rows::<Rung>()[0].times, 3);
//! }
//! ```
//!
//! ```compile_fail,E0277
//! use interstice_sdk::prelude::*;
//!
//! #[reducer]
//! fn ring(text: String) {}
//!
//! #[reducer]
//! fn set(ctx: &ReducerContext) {
//!     ctx.schedule::<ring>(Duration::from_secs(1), (7_u32,)); // not a text
//! }
//! ```
//!
//! ```compile_fail,E0277
//! use interstice_sdk::prelude::*;
//!
//! #[reducer(every = "5m")]
//! fn tick(text: String) {} // nobody gives it one
//! ```

use crate::datatype::Datatype;
use crate::registry::FunctionEntry;

/// A reducer of this module, as a type of the reducer's own name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reducer of this module",
    label = "not a reducer",
    note = "name a function with `#[reducer]` that has neither `on`, `every` nor `cron`: `ctx.schedule::<remind>(…)`"
)]
pub trait Reducer {
    /// Its arguments, without its handles: `(A, (B, ()))`.
    type Arguments;

    #[doc(hidden)]
    fn entry() -> &'static FunctionEntry;
}

/// A tuple with one value for each argument of a reducer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the tuple of this reducer's arguments",
    label = "these are not its arguments",
    note = "give a tuple with one owned value for each argument, without handles: `(text, 3)`, `(text,)` or `()`"
)]
pub trait ArgumentsOf<Chain> {
    #[doc(hidden)]
    fn append(&self, out: &mut Vec<u8>);
}

macro_rules! chain {
    () => { () };
    ($first:ident $($rest:ident)*) => { ($first, chain!($($rest)*)) };
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Datatype),*> ArgumentsOf<chain!($($name)*)> for ($($name,)*) {
            #[allow(unused_variables, reason = "no argument, nothing to append")]
            fn append(&self, out: &mut Vec<u8>) {
                $(self.$index.encode(out);)*
            }
        }
    )*};
}

tuples! {
    () (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6) (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
