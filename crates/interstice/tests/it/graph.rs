//! Graphs of hand-made schemas: what is in them, which cycles, what each format says; the cycles of random ones beside a naive search.

use expect_test::expect;
use interstice::graph::{Drawing, EdgeKind, Graph, NodeKind, declared, dot, graphml, html, json, mermaid, svg};
use interstice_types::schema::Schema;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// A module; tables by name, with what their rows refer to: table, and what becomes of them.
fn module(name: &str, tables: &[(&str, &[(&str, &str)])], functions: Vec<Json>) -> Json {
    let table = |(name, references): &(&str, &[(&str, &str)])| {
        let reference = |(index, (table, on_delete)): (usize, &(&str, &str))| json!({"name": format!("r{index}"), "columns": [1], "table": table, "on_delete": on_delete});
        let references: Vec<_> = references.iter().enumerate().map(reference).collect();
        let columns = json!([{"name": "id", "type": "u64"}, {"name": "of", "type": {"option": "u64"}}]);
        json!({"name": name, "columns": columns, "primary_key": [0], "references": references})
    };
    let tables: Vec<_> = tables.iter().map(table).collect();
    json!({"module": name, "version": "1.0.0", "tables": tables, "functions": functions})
}

/// `module.table`, or a table of the module itself.
fn table_of(text: &str) -> Json {
    match text.split_once('.') {
        Some((module, table)) => json!({"module": module, "table": table}),
        None => json!({"table": text}),
    }
}

fn function(name: &str, kind: &Json, handles: &[(&str, &str)]) -> Json {
    let handle = |(access, table): &(&str, &str)| {
        let mut handle = table_of(table);
        handle["access"] = json!(access);
        handle
    };
    let handles: Vec<_> = handles.iter().map(handle).collect();
    json!({"name": name, "kind": kind, "handles": handles, "returns": {"struct": {"name": "unit", "fields": []}}})
}

fn on(name: &str, change: &str, table: &str, handles: &[(&str, &str)]) -> Json {
    function(name, &json!({"event": {"on": change, "table": table_of(table)}}), handles)
}

fn graph(modules: &[Json]) -> Graph {
    let schemas: Vec<Schema> = modules.iter().map(|module| serde_json::from_value(module.clone()).unwrap()).collect();
    declared(schemas.iter())
}

/// Two modules with one of everything, and a cycle between their tables.
fn shop() -> Graph {
    let mut stock = module(
        "stock",
        &[("item", &[])],
        vec![
            function("reserve", &json!("reducer"), &[("write", "item")]),
            on("follow", "insert", "shop.order", &[("write", "item")]),
        ],
    );
    stock["imports"] = json!([{"module": "shop", "tables": [{"name": "order", "signature": "0000000000000000"}]}]);
    let mut shop = module(
        "shop",
        &[("order", &[]), ("line", &[("order", "cascade")])],
        vec![
            function("all", &json!("query"), &[("read", "order")]),
            function(
                "close",
                &json!({"schedule": {"times": {"every": {"micros": 60_000_000}}}}),
                &[("write", "order")],
            ),
            on("restock", "update", "stock.item", &[("insert", "order"), ("read", "stock.item")]),
            function("start", &json!("init"), &[("insert", "order")]),
        ],
    );
    let reserve = json!({"name": "reserve", "signature": "0000000000000000"});
    shop["imports"] = json!([{"module": "stock", "functions": [reserve]}]);
    graph(&[shop, stock])
}

fn paths(graph: &Graph) -> Vec<String> {
    Drawing::of(graph).paths()
}

#[test]
fn schemas_make_a_graph_of_what_they_declare() {
    expect![[r#"
        digraph interstice {
          rankdir=LR;
          node [fontname="sans-serif"];
          subgraph "cluster_shop" {
            label="shop";
            "module:shop" [label="shop\n1.0.0", shape=folder];
            "table:shop.order" [label="shop.order", shape=cylinder];
            "table:shop.line" [label="shop.line", shape=cylinder];
            "query:shop.all" [label="shop.all", shape=ellipse];
            "reducer:shop.close" [label="shop.close\nschedule", shape=box];
            "schedule:shop.close" [label="shop.close\nevery 1m", shape=note];
            "event-reducer:shop.restock" [label="shop.restock", shape=hexagon];
            "reducer:shop.start" [label="shop.start\ninit", shape=box];
          }
          subgraph "cluster_stock" {
            label="stock";
            "module:stock" [label="stock\n1.0.0", shape=folder];
            "table:stock.item" [label="stock.item", shape=cylinder];
            "reducer:stock.reserve" [label="stock.reserve", shape=box];
            "event-reducer:stock.follow" [label="stock.follow", shape=hexagon];
          }
          "module:shop" -> "reducer:stock.reserve" [label="calls"];
          "table:shop.order" -> "table:shop.line" [label="cascades"];
          "table:shop.order" -> "event-reducer:stock.follow" [label="insert", color=red];
          "query:shop.all" -> "table:shop.order" [label="reads"];
          "reducer:shop.close" -> "table:shop.order" [label="writes"];
          "schedule:shop.close" -> "reducer:shop.close" [label="due"];
          "event-reducer:shop.restock" -> "table:shop.order" [label="inserts", color=red];
          "event-reducer:shop.restock" -> "table:stock.item" [label="reads"];
          "reducer:shop.start" -> "table:shop.order" [label="inserts"];
          "table:stock.item" -> "event-reducer:shop.restock" [label="update", color=red];
          "reducer:stock.reserve" -> "table:stock.item" [label="writes"];
          "event-reducer:stock.follow" -> "table:stock.item" [label="writes", color=red];
        }"#]]
    .assert_eq(&dot::render(&Drawing::of(&shop())));
}

#[test]
fn no_modules_make_an_empty_graph() {
    let (graph, drawn) = (graph(&[]), Graph::default());
    assert_eq!(graph, drawn);
    let drawing = Drawing::of(&graph);
    expect!["flowchart LR"].assert_eq(&mermaid::render(&drawing));
    for text in [svg::render(&drawing), html::render(&drawing), graphml::render(&drawing)] {
        assert_xml(&text);
    }
    assert_eq!(json::document(&drawing)["nodes"], json!([]));
}

#[test]
fn what_is_named_of_a_module_that_is_not_there_is_left_out() {
    let graph =
        graph(&[module("a", &[("t", &[])], vec![on("f", "insert", "gone.t", &[("write", "t"), ("read", "gone.t")])])]);
    assert_eq!(
        graph.nodes().iter().map(|node| node.id()).collect::<Vec<_>>(),
        ["module:a", "table:a.t", "event-reducer:a.f"]
    );
    assert_eq!(graph.edges().len(), 1);
}

#[test]
fn a_reducer_that_writes_what_it_waits_for_is_a_cycle() {
    let of = |change: &str, access: &str| {
        paths(&graph(&[module("a", &[("t", &[])], vec![on("f", change, "t", &[(access, "t")])])]))
    };
    assert_eq!(of("insert", "insert"), ["a.t --insert--> a.f --inserts--> a.t"]);
    assert_eq!(of("insert", "write"), ["a.t --insert--> a.f --writes--> a.t"]);
    assert_eq!(of("delete", "write"), ["a.t --delete--> a.f --writes--> a.t"]);
    // Who only adds rows makes none go.
    assert_eq!(of("update", "insert"), [""; 0]);
    assert_eq!(of("delete", "insert"), [""; 0]);
    assert_eq!(of("insert", "read"), [""; 0]);
}

#[test]
fn two_cycles_through_the_same_table_are_both_found() {
    let functions = vec![
        on("f", "insert", "t", &[("insert", "u"), ("insert", "v")]),
        on("g", "insert", "u", &[("insert", "t")]),
        on("h", "insert", "v", &[("insert", "t")]),
        on("out", "insert", "v", &[("insert", "w")]),
    ];
    let graph = graph(&[module("a", &[("t", &[]), ("u", &[]), ("v", &[]), ("w", &[])], functions)]);
    assert_eq!(
        paths(&graph),
        [
            "a.t --insert--> a.f --inserts--> a.u --insert--> a.g --inserts--> a.t",
            "a.v --insert--> a.h --inserts--> a.t --insert--> a.f --inserts--> a.v",
        ]
    );
    let drawing = Drawing::of(&graph);
    assert_eq!(graph.edges().filter(|edge| drawing.is_on_cycle(edge)).count(), 7);
}

#[test]
fn a_cycle_between_modules_is_found_and_a_call_is_none() {
    assert_eq!(
        paths(&shop()),
        ["stock.item --update--> shop.restock --inserts--> shop.order --insert--> stock.follow --writes--> stock.item"]
    );
}

#[test]
fn rows_that_go_with_others_close_a_cycle() {
    let of = |on_delete: &str, change: &str| {
        let functions = vec![on("f", change, "child", &[("write", "parent")])];
        paths(&graph(&[module("a", &[("child", &[("parent", on_delete)]), ("parent", &[])], functions)]))
    };
    assert_eq!(of("cascade", "delete"), ["a.child --delete--> a.f --writes--> a.parent --cascades--> a.child"]);
    assert_eq!(of("set_null", "update"), ["a.child --update--> a.f --writes--> a.parent --clears--> a.child"]);
    assert_eq!(of("cascade", "update"), [""; 0]);
    assert_eq!(of("set_null", "delete"), [""; 0]);
    assert_eq!(of("restrict", "delete"), [""; 0]);
    // Rows of a table that go with each other have no reducer run.
    assert_eq!(paths(&graph(&[module("a", &[("t", &[("t", "cascade")])], Vec::new())])), [""; 0]);
}

#[test]
fn subscriptions_are_what_rows_that_change_set_going() {
    let part = shop().subscriptions();
    let ids: Vec<_> = part.nodes().iter().map(|node| node.id()).collect();
    let wanted = [
        "table:shop.order",
        "table:shop.line",
        "event-reducer:shop.restock",
        "table:stock.item",
        "event-reducer:stock.follow",
    ];
    assert_eq!(ids, wanted);
    assert_eq!(part.edges().filter(|edge| edge.kind == EdgeKind::Reads).count(), 0);
    assert_eq!(paths(&part), paths(&shop()));
}

#[test]
fn a_graph_in_mermaid() {
    expect![[r#"
        flowchart LR
          n0[["shop<br/>1.0.0"]]
          n1[("shop.order")]
          n2[("shop.line")]
          n3(["shop.all"])
          n4["shop.close<br/>schedule"]
          n5>"shop.close<br/>every 1m"]
          n6{{"shop.restock"}}
          n7["shop.start<br/>init"]
          n8[["stock<br/>1.0.0"]]
          n9[("stock.item")]
          n10["stock.reserve"]
          n11{{"stock.follow"}}
          n0 -->|"calls"| n10
          n1 -->|"cascades"| n2
          n1 -->|"insert"| n11
          n3 -->|"reads"| n1
          n4 -->|"writes"| n1
          n5 -->|"due"| n4
          n6 -->|"inserts"| n1
          n6 -->|"reads"| n9
          n7 -->|"inserts"| n1
          n9 -->|"update"| n6
          n10 -->|"writes"| n9
          n11 -->|"writes"| n9
          linkStyle 2,6,9,11 stroke:red"#]]
    .assert_eq(&mermaid::render(&Drawing::of(&shop())));
}

#[test]
fn a_graph_in_json() {
    expect![[r#"
        {
          "cycles": [
            [
              "table:stock.item",
              "event-reducer:shop.restock",
              "table:shop.order",
              "event-reducer:stock.follow",
              "table:stock.item"
            ]
          ],
          "edges": [
            {
              "declared": true,
              "from": "table:shop.order",
              "kind": "cascades",
              "to": "table:shop.line"
            },
            {
              "change": "insert",
              "declared": true,
              "from": "table:shop.order",
              "kind": "on",
              "to": "event-reducer:stock.follow"
            },
            {
              "declared": true,
              "from": "event-reducer:shop.restock",
              "kind": "inserts",
              "to": "table:shop.order"
            },
            {
              "change": "update",
              "declared": true,
              "from": "table:stock.item",
              "kind": "on",
              "to": "event-reducer:shop.restock"
            },
            {
              "declared": true,
              "from": "event-reducer:stock.follow",
              "kind": "writes",
              "to": "table:stock.item"
            }
          ],
          "nodes": [
            {
              "declared": true,
              "id": "table:shop.order",
              "kind": "table",
              "module": "shop",
              "name": "shop.order"
            },
            {
              "declared": true,
              "id": "table:shop.line",
              "kind": "table",
              "module": "shop",
              "name": "shop.line"
            },
            {
              "declared": true,
              "id": "event-reducer:shop.restock",
              "kind": "event-reducer",
              "module": "shop",
              "name": "shop.restock"
            },
            {
              "declared": true,
              "id": "table:stock.item",
              "kind": "table",
              "module": "stock",
              "name": "stock.item"
            },
            {
              "declared": true,
              "id": "event-reducer:stock.follow",
              "kind": "event-reducer",
              "module": "stock",
              "name": "stock.follow"
            }
          ],
          "paths": [
            "stock.item --update--> shop.restock --inserts--> shop.order --insert--> stock.follow --writes--> stock.item"
          ],
          "schema": "interstice.graph/v1"
        }"#]].assert_eq(&json::render(&Drawing::of(&shop().subscriptions())));
}

#[test]
fn a_graph_in_graphml() {
    let text = graphml::render(&Drawing::of(&shop().subscriptions()));
    assert_xml(&text);
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <graphml xmlns="http://graphml.graphdrawing.org/xmlns">
          <key id="node-kind" for="node" attr.name="kind" attr.type="string"/>
          <key id="node-name" for="node" attr.name="name" attr.type="string"/>
          <key id="node-module" for="node" attr.name="module" attr.type="string"/>
          <key id="node-version" for="node" attr.name="version" attr.type="string"/>
          <key id="node-role" for="node" attr.name="role" attr.type="string"/>
          <key id="node-times" for="node" attr.name="times" attr.type="string"/>
          <key id="node-offset" for="node" attr.name="offset" attr.type="string"/>
          <key id="node-cause" for="node" attr.name="cause" attr.type="string"/>
          <key id="node-outcome" for="node" attr.name="outcome" attr.type="string"/>
          <key id="node-function" for="node" attr.name="function" attr.type="string"/>
          <key id="edge-kind" for="edge" attr.name="kind" attr.type="string"/>
          <key id="node-declared" for="node" attr.name="declared" attr.type="boolean"/>
          <key id="edge-declared" for="edge" attr.name="declared" attr.type="boolean"/>
          <key id="edge-cycle" for="edge" attr.name="cycle" attr.type="boolean"/>
          <key id="node-ok" for="node" attr.name="ok" attr.type="long"/>
          <key id="node-rejected" for="node" attr.name="rejected" attr.type="long"/>
          <key id="node-trapped" for="node" attr.name="trapped" attr.type="long"/>
          <key id="edge-weight" for="edge" attr.name="weight" attr.type="long"/>
          <key id="edge-inserted" for="edge" attr.name="inserted" attr.type="long"/>
          <key id="edge-updated" for="edge" attr.name="updated" attr.type="long"/>
          <key id="edge-deleted" for="edge" attr.name="deleted" attr.type="long"/>
          <graph id="interstice" edgedefault="directed">
            <node id="table:shop.order"><data key="node-kind">table</data><data key="node-name">shop.order</data><data key="node-module">shop</data><data key="node-declared">true</data></node>
            <node id="table:shop.line"><data key="node-kind">table</data><data key="node-name">shop.line</data><data key="node-module">shop</data><data key="node-declared">true</data></node>
            <node id="event-reducer:shop.restock"><data key="node-kind">event-reducer</data><data key="node-name">shop.restock</data><data key="node-module">shop</data><data key="node-declared">true</data></node>
            <node id="table:stock.item"><data key="node-kind">table</data><data key="node-name">stock.item</data><data key="node-module">stock</data><data key="node-declared">true</data></node>
            <node id="event-reducer:stock.follow"><data key="node-kind">event-reducer</data><data key="node-name">stock.follow</data><data key="node-module">stock</data><data key="node-declared">true</data></node>
            <edge source="table:shop.order" target="table:shop.line"><data key="edge-kind">cascades</data><data key="edge-declared">true</data><data key="edge-cycle">false</data></edge>
            <edge source="table:shop.order" target="event-reducer:stock.follow"><data key="edge-kind">insert</data><data key="edge-declared">true</data><data key="edge-cycle">true</data></edge>
            <edge source="event-reducer:shop.restock" target="table:shop.order"><data key="edge-kind">inserts</data><data key="edge-declared">true</data><data key="edge-cycle">true</data></edge>
            <edge source="table:stock.item" target="event-reducer:shop.restock"><data key="edge-kind">update</data><data key="edge-declared">true</data><data key="edge-cycle">true</data></edge>
            <edge source="event-reducer:stock.follow" target="table:stock.item"><data key="edge-kind">writes</data><data key="edge-declared">true</data><data key="edge-cycle">true</data></edge>
          </graph>
        </graphml>"#]].assert_eq(&text);
}

#[test]
fn a_graph_as_a_picture() {
    let part = graph(&[module("a", &[("t", &[])], vec![on("f", "insert", "t", &[("insert", "t")])])]).subscriptions();
    let text = svg::render(&Drawing::of(&part));
    assert_xml(&text);
    let (head, tail) = (text.find("<style>").unwrap(), text.find("</style>").unwrap());
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <svg xmlns="http://www.w3.org/2000/svg" id="graph" width="385" height="170" viewBox="0 0 385 170">
        </style>
        <marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0L10 5L0 10z"/></marker>
        <marker id="arrow-cycle" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path class="head cycle" d="M0 0L10 5L0 10z"/></marker>
        <g class="edge on cycle" data-from="0" data-to="1" data-kind="on" data-words="insert"><title>a.t insert a.f</title><path d="M117.7 85.0C192.7 85.0 192.7 85.0 267.7 85.0" stroke-width="1.0" marker-end="url(#arrow-cycle)"/><text x="192.7" y="81.0">insert</text></g>
        <g class="edge inserts cycle" data-from="1" data-to="0" data-kind="inserts" data-words="inserts"><title>a.f inserts a.t</title><path d="M303.6 100.0C303.6 146.0 81.8 146.0 81.8 100.0" stroke-width="1.0" marker-end="url(#arrow-cycle)"/><text x="192.7" y="146.5">inserts</text></g>
        <g class="node table" data-node="0" data-kind="table" data-name="a.t"><title>table a.t</title><rect x="70.0" y="70.0" width="47.7" height="30.0" rx="15.0"/><text x="93.8" y="90.0">a.t</text></g>
        <g class="node event-reducer" data-node="1" data-kind="event-reducer" data-name="a.f"><title>event-reducer a.f</title><rect x="267.7" y="70.0" width="47.7" height="30.0" rx="4.0"/><text x="291.6" y="90.0">a.f</text></g>
        </svg>"#]].assert_eq(&format!("{}{}", &text[..head], &text[tail..]));
}

#[test]
fn a_page_needs_nothing_else_and_holds_the_picture() {
    let (graph, text) = (shop(), html::render(&Drawing::of(&shop())));
    assert_xml(&text);
    assert_eq!(text.matches("class=\"node ").count(), graph.nodes().len());
    assert_eq!(text.matches("class=\"edge ").count(), graph.edges().len());
    // The only addresses are the names of the two languages.
    let names = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"];
    let rest = names.iter().fold(text.clone(), |text, name| text.replace(&format!("xmlns=\"{name}\""), ""));
    for outside in ["http:", "https:", "src=", "href=", "@import", "url(h", "//w"] {
        assert!(!rest.contains(outside), "{outside}");
    }
    for part in ["id=\"search\"", "value=\"event-reducer\"", "value=\"on\"", "<button data-nodes=", "</script>"] {
        assert!(text.contains(part), "{part}");
    }
}

/// Names that no schema has, as far as rules go: whatever comes, a file is one of its language.
#[test]
fn no_name_breaks_out_of_its_place() {
    let evil = "]]></script><a href=\"x\">&'\\\n\u{1}\"; }";
    let functions = vec![on(evil, "insert", evil, &[("insert", evil)])];
    let mut schema = module("m", &[(evil, &[])], functions);
    schema["module"] = json!(evil);
    let graph = graph(&[schema]);
    let drawing = Drawing::of(&graph);
    for text in [svg::render(&drawing), html::render(&drawing), graphml::render(&drawing)] {
        assert_xml(&text);
        assert!(!text.contains("<a ") && text.matches("</script>").count() <= 1, "{text}");
    }
    let text = dot::render(&drawing);
    assert!(text.contains(r#"]]></script><a href=\"x\">&'\\\n"#), "{text}");
    assert_eq!(unquoted(&text).matches('{').count(), 2, "{text}");
    assert_eq!(unquoted(&text).matches('}').count(), 2, "{text}");
    let text = mermaid::render(&drawing);
    for line in text.lines().skip(1).filter(|line| !line.contains("linkStyle")) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
    }
    let document: Json = serde_json::from_str(&json::render(&drawing)).unwrap();
    assert_eq!(document["nodes"][0]["name"], evil);
}

/// What of a text in the language of Graphviz is not in strings.
fn unquoted(text: &str) -> String {
    let (mut out, mut is_inside, mut is_escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' if !is_escaped => is_inside = !is_inside,
            _ if !is_inside => out.push(c),
            _ => {}
        }
        is_escaped = is_inside && c == '\\' && !is_escaped;
    }
    assert!(!is_inside, "{text}");
    out
}

/// That elements end in the order in which they began, and that what may not stand in text does not.
fn assert_xml(text: &str) {
    let (mut rest, mut open) = (text, Vec::new());
    while let Some(at) = rest.find('<') {
        assert_text(&rest[..at], text);
        rest = &rest[at..];
        let end = |what: &str| rest.find(what).unwrap_or_else(|| panic!("no {what} in {rest}")) + what.len();
        let behind = match rest {
            _ if rest.starts_with("<![CDATA[") => end("]]>"),
            _ if rest.starts_with("<?") => end("?>"),
            _ if rest.starts_with("<!") => end(">"),
            _ => {
                let behind = end(">");
                let tag = &rest[1..behind - 1];
                if let Some(name) = tag.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(name), "{text}");
                } else {
                    let name = tag.split([' ', '/']).next().unwrap();
                    assert!(!name.is_empty() && name.chars().all(char::is_alphanumeric), "<{tag}>");
                    assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
                    assert_text(tag, text);
                    open.extend((!tag.ends_with('/')).then_some(name));
                }
                behind
            }
        };
        rest = &rest[behind..];
    }
    assert_eq!((open.as_slice(), rest.trim()), ([""; 0].as_slice(), ""));
}

/// That each `&` begins one of those that XML knows, and nothing is there that XML has no place for.
fn assert_text(part: &str, text: &str) {
    assert!(!part.contains("]]>") && part.chars().all(|c| !c.is_control() || c == '\n'), "{part:?} in {text}");
    for entity in part.split('&').skip(1) {
        let name = entity.split(';').next().unwrap();
        let known = ["amp", "lt", "gt", "quot"].contains(&name)
            || name.strip_prefix('#').is_some_and(|n| n.parse::<u32>().is_ok());
        assert!(known, "&{name}; in {text}");
    }
}

const CHANGES: [&str; 3] = ["insert", "update", "delete"];

/// Tables with what they refer to, and event reducers: what each waits for, and what it may write.
type Shape = (Vec<(u8, u8)>, Vec<(u8, u8, Vec<(bool, u8)>)>);

fn shape() -> impl Strategy<Value = Shape> {
    let reference = (0..6_u8, 0..3_u8);
    let writes = prop::collection::vec((any::<bool>(), 0..6_u8), 0..3);
    (prop::collection::vec(reference, 6), prop::collection::vec((0..3_u8, 0..6_u8, writes), 0..9))
}

fn graph_of((references, reducers): &Shape) -> Graph {
    let names: Vec<_> = (0..references.len()).map(|number| format!("t{number}")).collect();
    let name = |number: u8| names[usize::from(number)].as_str();
    let links: Vec<_> = references
        .iter()
        .map(|(to, how)| [(name(*to), ["restrict", "cascade", "set_null"][usize::from(*how)])])
        .collect();
    let tables: Vec<_> = names.iter().zip(&links).map(|(name, links)| (name.as_str(), links.as_slice())).collect();
    let functions = reducers.iter().enumerate().map(|(number, (change, table, writes))| {
        let handles: Vec<_> =
            writes.iter().map(|(all, table)| (if *all { "write" } else { "insert" }, name(*table))).collect();
        on(&format!("f{number}"), CHANGES[usize::from(*change)], name(*table), &handles)
    });
    graph(&[module("m", &tables, functions.collect())])
}

/// Which reducers can come to run because they ran, by following everything from everywhere.
fn naive((references, reducers): &Shape) -> BTreeSet<usize> {
    let count = references.len() * 3;
    let table_change = |table: u8, change: u8| usize::from(table) * 3 + usize::from(change);
    let mut reach = vec![vec![false; count + reducers.len()]; count + reducers.len()];
    for (child, (parent, how)) in references.iter().enumerate().filter(|(_, (_, how))| *how > 0) {
        let made = if *how == 1 { 2 } else { 1 };
        reach[table_change(*parent, 2)][table_change(child as u8, made)] = true;
    }
    for (number, (change, table, writes)) in reducers.iter().enumerate() {
        reach[table_change(*table, *change)][count + number] = true;
        for (all, table) in writes {
            (0..if *all { 3 } else { 1 }).for_each(|made| reach[count + number][table_change(*table, made)] = true);
        }
    }
    for through in 0..reach.len() {
        for from in 0..reach.len() {
            for to in 0..reach.len() {
                reach[from][to] |= reach[from][through] && reach[through][to];
            }
        }
    }
    (0..reducers.len()).filter(|number| reach[count + number][count + number]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_reducer_that_can_set_itself_going_is_on_a_cycle_and_no_other(shape in shape()) {
        let graph = graph_of(&shape);
        let drawing = Drawing::of(&graph);
        let mut found = BTreeSet::new();
        for cycle in &drawing.cycles {
            for (from, to, kind) in cycle.edges() {
                prop_assert!(graph.edges().any(|edge| (edge.from, edge.to, edge.kind) == (from, to, kind)));
            }
            let [(first, EdgeKind::On(_)), ..] = cycle.steps.as_slice() else { panic!("{cycle:?}") };
            prop_assert_eq!(graph.nodes()[*first].kind, NodeKind::Table);
            for (place, _) in &cycle.steps {
                found.extend(graph.nodes()[*place].name.strip_prefix("m.f").map(|number| number.parse::<usize>().unwrap()));
            }
        }
        prop_assert_eq!(&found, &naive(&shape));
        prop_assert!(drawing.cycles.len() <= found.len());
        prop_assert_eq!(graph.subscriptions(), graph.subscriptions().subscriptions());
        prop_assert_eq!(drawing.paths(), paths(&graph.subscriptions()));
        [svg::render(&drawing), html::render(&drawing), graphml::render(&drawing)].iter().for_each(|text| assert_xml(text));
    }
}
