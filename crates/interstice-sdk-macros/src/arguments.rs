//! What stands in the parentheses of `#[reducer(…)]`: what calls the function.

use crate::function::Flavour;
use interstice_types::calendar::{Clock, ClockError};
use interstice_types::schema::schedule::{Recurrence, check_interval};
use interstice_types::time::Duration;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn, LitStr, Token, Type, parenthesized};

/// What stands in the parentheses.
#[derive(Default)]
pub(crate) struct Args {
    on: Option<(Ident, Option<Type>)>,
    access: Option<Ident>,
    times: Times,
}

/// When a reducer runs by itself, as it is written.
#[derive(Default)]
struct Times {
    every: Option<LitStr>,
    cron: Option<LitStr>,
    tz: Option<LitStr>,
    missed: Option<Ident>,
}

const EXPECTED: &str = "a reducer takes `on = init`, `on = upgrade`, `on = connect`, `on = disconnect`, `on = insert(Table)`, `on = update(Table)`, `on = delete(Table)`, `access = owner`, `access = internal`, `every = \"5m\"` or `cron = \"0 3 * * *\"`";

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match word.to_string().as_str() {
                "on" => args.on = Some(read_event(input)?),
                "access" => args.access = Some(input.parse()?),
                "every" => args.times.every = Some(input.parse()?),
                "cron" => args.times.cron = Some(input.parse()?),
                "tz" => args.times.tz = Some(input.parse()?),
                "missed" => args.times.missed = Some(input.parse()?),
                _ => return Err(syn::Error::new(word.span(), EXPECTED)),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

/// `init`, or `insert(Table)`.
fn read_event(input: ParseStream<'_>) -> syn::Result<(Ident, Option<Type>)> {
    let event: Ident = input.parse()?;
    if !input.peek(syn::token::Paren) {
        return Ok((event, None));
    }
    let inner;
    parenthesized!(inner in input);
    Ok((event, Some(inner.parse()?)))
}

impl Args {
    /// Whether others call it: clients, modules, or schedules that a reducer makes.
    pub(crate) fn is_called(&self) -> bool {
        self.on.is_none() && !self.times.are_given()
    }

    /// Whether it is told of connections that begin or end.
    pub(crate) fn is_told_of_connections(&self) -> bool {
        matches!(&self.on, Some((event, None)) if event == "connect" || event == "disconnect")
    }

    /// Whether it runs at times of its own, or is told of a publish.
    pub(crate) fn is_given_nothing(&self) -> bool {
        self.times.are_given() || matches!(&self.on, Some((event, None)) if event == "init" || event == "upgrade")
    }

    /// The function's kind, as code.
    pub(crate) fn kind(&self, flavour: Flavour, item: &ItemFn) -> syn::Result<TokenStream> {
        let kind = quote! { ::interstice_sdk::generated::FunctionKind };
        if flavour == Flavour::Query {
            return match (&self.on, &self.access, self.times.are_given()) {
                (None, None, false) => Ok(quote! { #kind::Query }),
                _ => Err(syn::Error::new_spanned(&item.sig.ident, "`#[query]` takes nothing")),
            };
        }
        if let Some((times, missed)) = self.times.read()? {
            let others = self.on.as_ref().map(|(event, _)| event).or(self.access.as_ref());
            return match others {
                None => Ok(quote! { #kind::Schedule { times: #times, missed: #missed } }),
                Some(other) => {
                    let text = "a reducer that runs at times of its own is called by nothing else: leave this out";
                    Err(syn::Error::new(other.span(), text))
                }
            };
        }
        match (&self.on, &self.access) {
            (None, access) => match access.as_ref().map(Ident::to_string).as_deref() {
                None | Some("anyone" | "authenticated") => Ok(quote! { #kind::Reducer }),
                Some("owner") => Ok(quote! { #kind::Owner }),
                Some("internal") => Ok(quote! { #kind::Internal }),
                _ => Err(syn::Error::new_spanned(access, "access is `anyone`, `authenticated`, `owner` or `internal`")),
            },
            (Some((event, Some(table))), None) => event_kind(event, table),
            (Some((event, None)), None) => match event.to_string().as_str() {
                "init" => Ok(quote! { #kind::Init }),
                "upgrade" => Ok(quote! { #kind::Upgrade }),
                "connect" => Ok(quote! { #kind::Connect }),
                "disconnect" => Ok(quote! { #kind::Disconnect }),
                _ => Err(unknown_event(event)),
            },
            (Some(_), Some(access)) => {
                Err(syn::Error::new(access.span(), "nobody calls an event reducer: leave `access` out"))
            }
        }
    }
}

fn event_kind(event: &Ident, table: &Type) -> syn::Result<TokenStream> {
    let on = match event.to_string().as_str() {
        "insert" => quote! { Insert },
        "update" => quote! { Update },
        "delete" => quote! { Delete },
        _ => return Err(unknown_event(event)),
    };
    Ok(quote_spanned! { table.span() =>
        ::interstice_sdk::generated::FunctionKind::Event {
            on: ::interstice_sdk::generated::ChangeKind::#on,
            table: ::interstice_sdk::function::table_ref::<#table>(),
        }
    })
}

fn unknown_event(event: &Ident) -> syn::Error {
    let text = match event.to_string().as_str() {
        "insert" | "update" | "delete" => format!("name the table: `on = {event}(Account)`"),
        "init" | "upgrade" | "connect" | "disconnect" => format!("`{event}` is about no table: `on = {event}`"),
        _ => format!(
            "there is no event `{event}`: there are `init`, `upgrade`, `connect`, `disconnect`, `insert(T)`, `update(T)` and `delete(T)`"
        ),
    };
    syn::Error::new(event.span(), text)
}

impl Times {
    fn are_given(&self) -> bool {
        self.every.is_some() || self.cron.is_some() || self.tz.is_some() || self.missed.is_some()
    }

    /// The recurrence and what becomes of missed times, as code; `None` if nothing is said of either.
    fn read(&self) -> syn::Result<Option<(TokenStream, TokenStream)>> {
        let times = match (&self.every, &self.cron, &self.tz) {
            (Some(every), None, None) => interval(every)?,
            (None, Some(cron), tz) => clock(cron, tz.as_ref())?,
            (Some(_), Some(cron), _) => {
                return Err(syn::Error::new(cron.span(), "`every` or `cron`, not both"));
            }
            (_, None, Some(tz)) => {
                return Err(syn::Error::new(tz.span(), "a time zone belongs to `cron = \"…\"`"));
            }
            (None, None, None) => {
                return match &self.missed {
                    None => Ok(None),
                    Some(missed) => {
                        let text = "`missed` belongs to `every = \"…\"` or `cron = \"…\"`";
                        Err(syn::Error::new(missed.span(), text))
                    }
                };
            }
        };
        let missed = match self.missed.as_ref().map(Ident::to_string).as_deref() {
            None | Some("once") => quote! { Once },
            Some("skip") => quote! { Skip },
            Some("all") => quote! { All },
            Some(_) => {
                return Err(syn::Error::new_spanned(&self.missed, "`missed` is `skip`, `once` or `all`"));
            }
        };
        Ok(Some((times, quote! { ::interstice_sdk::generated::Missed::#missed })))
    }
}

fn interval(every: &LitStr) -> syn::Result<TokenStream> {
    let wrong = |text: String| syn::Error::new(every.span(), text);
    let unread = || format!("`{}` is no span of time: write one as `500ms`, `5s`, `5m`, `2h` or `1d`", every.value());
    let span = Duration::parse(&every.value()).ok_or_else(|| wrong(unread()))?;
    check_interval(span).map_err(wrong)?;
    let micros = span.micros();
    Ok(quote! { ::interstice_sdk::generated::Recurrence::Every { micros: #micros } })
}

fn clock(cron: &LitStr, tz: Option<&LitStr>) -> syn::Result<TokenStream> {
    let (expression, zone) = (cron.value(), tz.map_or_else(|| "UTC".to_owned(), LitStr::value));
    if let Err(error @ ClockError::Zone { .. }) = Clock::new(&expression, &zone) {
        return Err(syn::Error::new(tz.unwrap_or(cron).span(), error));
    }
    let times = Recurrence::Cron { expression: expression.clone(), zone: zone.clone() };
    times.check().map_err(|message| syn::Error::new(cron.span(), message))?;
    Ok(quote! {
        ::interstice_sdk::generated::Recurrence::Cron {
            expression: ::std::borrow::ToOwned::to_owned(#expression),
            zone: ::std::borrow::ToOwned::to_owned(#zone),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler says of a reducer with these arguments; the kind if it has nothing to say.
    fn said(args: TokenStream) -> String {
        let item = syn::parse2(quote! { fn tick() {} }).expect("a function");
        let kind = syn::parse2::<Args>(args).and_then(|args| args.kind(Flavour::Reducer, &item));
        kind.map_or_else(|error| error.to_string(), |kind| kind.to_string())
    }

    #[test]
    fn times_become_a_schedule() {
        let every = said(quote! { every = "5m", missed = skip });
        assert!(every.contains("300000000i64") && every.contains("Skip"), "{every}");
        let cron = said(quote! { cron = "0 3 * * *", tz = "Europe/Paris" });
        assert!(cron.contains("\"Europe/Paris\"") && cron.contains("Once"), "{cron}");
        assert!(said(quote! { cron = "@daily", missed = all }).contains("\"UTC\""));
    }

    #[test]
    fn what_says_no_time_is_refused_in_words() {
        for (args, words) in [
            (quote! { every = "5 minutes" }, "`5 minutes` is no span of time"),
            (quote! { every = "0s" }, "too short"),
            (quote! { every = "40000d" }, "longer than"),
            (quote! { cron = "61 3 * * *" }, "`61 3 * * *` is no cron expression"),
            (quote! { cron = "0 0 30 2 *" }, "never comes"),
            (quote! { cron = "0 3 * * *", tz = "Paris" }, "there is no time zone `Paris`"),
            (quote! { every = "5m", cron = "0 3 * * *" }, "not both"),
            (quote! { every = "5m", tz = "UTC" }, "belongs to `cron"),
            (quote! { missed = skip }, "belongs to `every"),
            (quote! { every = "5m", missed = never }, "`skip`, `once` or `all`"),
            (quote! { every = "5m", on = init }, "called by nothing else"),
            (quote! { every = "5m", access = internal }, "called by nothing else"),
            (quote! { evry = "5m" }, "a reducer takes"),
        ] {
            let said = said(args);
            assert!(said.contains(words), "{said}");
        }
    }
}
