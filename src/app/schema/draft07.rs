//! Shapes of types as JSON Schema.

use config::{Field, Shape, Variant};
use serde_json::{Map, Value, json};

use super::pages::{Page, Row};

/// Anything may be written as `${env:NAME}`, whatever it stands for.
const EXPANSION: &str = r"\$\{";

/// Writes the shape of one component.
pub(super) struct Writer<'p> {
    page: &'p Page,
    /// Where what is being written stands, as a JSON pointer.
    pointer: String,
    /// Keys from the component's section on.
    path: Vec<String>,
    /// The structs around, outermost first, by their pointers.
    structs: Vec<String>,
}

impl<'p> Writer<'p> {
    /// `pointer` is where the result will stand.
    pub(super) fn new(page: &'p Page, pointer: String) -> Self {
        Self { page, pointer, path: Vec::new(), structs: Vec::new() }
    }

    pub(super) fn write(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Any => json!({}),
            Shape::Bool => or_expansion(json!({ "type": "boolean" })),
            Shape::Integer { is_signed: true } => or_expansion(json!({ "type": "integer" })),
            Shape::Integer { is_signed: false } => or_expansion(json!({ "type": "integer", "minimum": 0 })),
            Shape::Number => or_expansion(json!({ "type": "number" })),
            Shape::String => json!({ "type": ["string", "null"] }),
            Shape::Secret => json!({ "type": ["string", "null"], "writeOnly": true }),
            Shape::OneOf(shapes) => {
                let at = |this: &mut Self, index, shape| {
                    this.below(&["anyOf", &format!("{index}")], |it| it.write(shape))
                };
                let forms: Vec<Value> =
                    shapes.iter().enumerate().map(|(index, shape)| at(self, index, shape)).collect();
                json!({ "anyOf": forms })
            }
            Shape::List(item) => {
                let items = self.below(&["items"], |it| it.write(item));
                // `a, b` is a list of texts.
                match **item {
                    Shape::String | Shape::Secret => {
                        json!({ "type": ["array", "string", "null"], "items": items })
                    }
                    _ => or_expansion(json!({ "type": "array", "items": items })),
                }
            }
            Shape::Map(value) => {
                let values = self.below(&["additionalProperties"], |it| it.write(value));
                or_expansion(json!({ "type": "object", "additionalProperties": values }))
            }
            Shape::Struct(fields) => self.fields(fields, Map::new()),
            Shape::Section(inner) => match &**inner {
                Shape::Struct(fields) => {
                    let enabled = json!({ "type": ["boolean", "null"], "description": "false switches the section off" });
                    self.fields(fields, Map::from_iter([("enabled".to_owned(), enabled)]))
                }
                other => self.write(other),
            },
            Shape::Enum(variants) => self.variants(variants),
            Shape::Again { structs_up } => {
                let at = self.structs.len().checked_sub(*structs_up).and_then(|at| self.structs.get(at));
                at.map_or(json!({}), |pointer| json!({ "$ref": pointer }))
            }
        }
    }

    fn below<T>(&mut self, steps: &[&str], write: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.pointer.len();
        for step in steps {
            self.pointer.push('/');
            self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        let written = write(self);
        self.pointer.truncate(before);
        written
    }

    fn fields(&mut self, fields: &[Field], mut properties: Map<String, Value>) -> Value {
        self.structs.push(self.pointer.clone());
        for Field { name, shape } in fields {
            self.path.push((*name).to_owned());
            let mut property = self.below(&["properties", name], |it| it.write(shape));
            self.describe(&mut property);
            self.path.pop();
            properties.insert((*name).to_owned(), property);
        }
        self.structs.pop();
        or_expansion(json!({ "type": "object", "properties": properties, "additionalProperties": false }))
    }

    /// Adds what the page says of a key.
    fn describe(&self, property: &mut Value) {
        let Some(map) = property.as_object_mut() else { return };
        // Beside a reference nothing else counts in draft 7.
        if map.contains_key("$ref") {
            return;
        }
        let row = self.page.row(&self.path);
        if let Some(description) = row
            .and_then(Row::description)
            .or_else(|| self.page.mention(&self.path))
            .or_else(|| of_section(map))
        {
            map.insert("description".to_owned(), description.into());
        }
        if let Some(default) = row.and_then(Row::default_value) {
            map.insert("default".to_owned(), default);
        }
    }

    /// Names alone are a list of values; those with content are maps with one key.
    fn variants(&mut self, variants: &[Variant]) -> Value {
        let mut names: Vec<Value> =
            variants.iter().filter(|it| it.content.is_none()).map(|it| it.name.into()).collect();
        let mut forms = vec![json!({ "type": "string", "pattern": EXPANSION })];
        let with_content: Vec<&Variant> = variants.iter().filter(|it| it.content.is_some()).collect();
        if !with_content.is_empty() {
            let index = format!("{}", forms.len());
            let mut properties = Map::new();
            for variant in with_content {
                let Some(content) = &variant.content else { continue };
                self.path.push(variant.name.to_owned());
                let mut written =
                    self.below(&["anyOf", &index, "properties", variant.name], |it| it.write(content));
                self.describe(&mut written);
                self.path.pop();
                properties.insert(variant.name.to_owned(), written);
            }
            forms.push(json!({ "type": "object", "properties": properties, "additionalProperties": false, "maxProperties": 1 }));
        }
        names.push(Value::Null);
        forms.push(json!({ "enum": names }));
        json!({ "anyOf": forms })
    }
}

/// Says what is in a section that has no words of its own.
fn of_section(section: &Map<String, Value>) -> Option<String> {
    let keys: Vec<String> =
        section.get("properties")?.as_object()?.keys().map(|key| format!("`{key}`")).collect();
    (!keys.is_empty()).then(|| format!("Settings: {}", keys.join(", ")))
}

/// Allows nothing after the colon, and an expansion in place of the value.
pub(super) fn or_expansion(mut schema: Value) -> Value {
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null", "string"]);
    // A pattern is asked of texts alone.
    schema["pattern"] = EXPANSION.into();
    schema
}
