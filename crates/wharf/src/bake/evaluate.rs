//! Expressions of bake files. The crate `hcl` evaluates them, but for the functions that files define.

use std::collections::BTreeMap;

use hcl::eval::{Context, Evaluate};
use hcl::expr::{Conditional, FuncCall, Operation, Traversal, TraversalOperator};
use hcl::template::{Element, Template};
use hcl::{Expression, Value as HclValue};
use serde_json::Value;

use super::functions;

/// A function that a file defines.
#[derive(Debug, Clone)]
pub(super) struct UserFunction {
    pub(super) parameters: Vec<String>,
    /// The parameter that takes all further arguments.
    pub(super) rest: Option<String>,
    pub(super) result: Expression,
}

/// What an expression can speak of.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    variables: BTreeMap<String, HclValue>,
    functions: BTreeMap<String, UserFunction>,
    depth: usize,
}

/// Calls deeper than this go round in circles.
const DEPTH_MAX: usize = 32;

impl Scope {
    pub(super) fn new(functions: BTreeMap<String, UserFunction>) -> Self {
        let platform = wharf_oci::Platform::host().to_string();
        let variables = [
            ("BAKE_CMD_CONTEXT".to_owned(), HclValue::from(".")),
            ("BAKE_LOCAL_PLATFORM".to_owned(), HclValue::from(platform)),
        ];
        Self { variables: variables.into(), functions, depth: 0 }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        let value = HclValue::from(expression(&value));
        self.variables.insert(name.to_owned(), value);
    }

    /// The same with further variables.
    pub(super) fn with(&self, more: BTreeMap<String, Value>) -> Self {
        let mut scope = self.clone();
        more.into_iter().for_each(|(name, value)| scope.set(&name, value));
        scope
    }

    /// The value of an expression.
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Value, String> {
        let value = self.value(expression)?;
        serde_json::to_value(value).map_err(|error| error.to_string())
    }

    fn value(&self, expression: &Expression) -> Result<HclValue, String> {
        let mut context = Context::new();
        for (name, value) in &self.variables {
            context.declare_var(name.as_str(), value.clone());
        }
        functions::declare(&mut context);
        self.expand(expression)?.evaluate(&context).map_err(|error| error.to_string().trim().to_owned())
    }

    /// The expression with every call of a file's own function replaced by what it gives.
    fn expand(&self, expression: &Expression) -> Result<Expression, String> {
        Ok(match expression {
            Expression::Array(items) => {
                Expression::Array(items.iter().map(|item| self.expand(item)).collect::<Result<_, _>>()?)
            }
            Expression::Object(map) => {
                let pair = |(key, value): (&hcl::expr::ObjectKey, &Expression)| {
                    Ok::<_, String>((key.clone(), self.expand(value)?))
                };
                Expression::Object(map.iter().map(pair).collect::<Result<_, _>>()?)
            }
            Expression::Parenthesis(inner) => Expression::Parenthesis(Box::new(self.expand(inner)?)),
            Expression::Conditional(choice) => {
                // Only one side is worth having, and the other may not make sense.
                let Conditional { cond_expr, true_expr, false_expr } = &**choice;
                let chosen = self.value(cond_expr)? == HclValue::Bool(true);
                self.expand(if chosen { true_expr } else { false_expr })?
            }
            Expression::Operation(operation) => {
                let mut operation = operation.clone();
                match &mut *operation {
                    Operation::Unary(one) => one.expr = self.expand(&one.expr)?,
                    Operation::Binary(two) => {
                        two.lhs_expr = self.expand(&two.lhs_expr)?;
                        two.rhs_expr = self.expand(&two.rhs_expr)?;
                    }
                }
                Expression::Operation(operation)
            }
            Expression::Traversal(traversal) => {
                let Traversal { expr, operators } = &**traversal;
                let operator = |operator: &TraversalOperator| {
                    Ok::<_, String>(match operator {
                        TraversalOperator::Index(at) => TraversalOperator::Index(self.expand(at)?),
                        other => other.clone(),
                    })
                };
                let operators: Vec<TraversalOperator> =
                    operators.iter().map(operator).collect::<Result<_, _>>()?;
                Expression::from(Traversal::new(self.expand(expr)?, operators))
            }
            Expression::FuncCall(call) => self.call(call)?,
            Expression::TemplateExpr(text) => {
                let mut template = Template::from_expr(text).map_err(|error| error.to_string())?;
                if !self.has_calls(&template) {
                    return Ok(expression.clone());
                }
                let mut filled = String::new();
                for element in template.elements_mut() {
                    match element {
                        Element::Literal(text) => filled.push_str(text),
                        Element::Interpolation(inside) => match self.value(&inside.expr)? {
                            HclValue::String(text) => filled.push_str(&text),
                            other => filled.push_str(&other.to_string()),
                        },
                        Element::Directive(_) => {
                            return Err("a template directive next to a function of the file".into());
                        }
                    }
                }
                Expression::String(filled)
            }
            other => other.clone(),
        })
    }

    /// Whether a template interpolates anything but plain variables, which `hcl` can do by itself.
    fn has_calls(&self, template: &Template) -> bool {
        let plain = |element: &Element| match element {
            Element::Interpolation(inside) => matches!(inside.expr, Expression::Variable(_)),
            _ => true,
        };
        !self.functions.is_empty() && !template.elements().iter().all(plain)
    }

    fn call(&self, call: &FuncCall) -> Result<Expression, String> {
        let arguments =
            call.args.iter().map(|argument| self.expand(argument)).collect::<Result<Vec<_>, _>>()?;
        let name = call.name.name.as_str();
        let Some(function) = self.functions.get(name) else {
            let mut call = call.clone();
            call.args = arguments;
            return Ok(Expression::from(call));
        };
        if self.depth >= DEPTH_MAX {
            return Err(format!("the function {name} calls itself"));
        }
        if arguments.len() < function.parameters.len()
            || (function.rest.is_none() && arguments.len() > function.parameters.len())
        {
            return Err(format!("the function {name} takes {} arguments", function.parameters.len()));
        }
        let mut inner = Self { depth: self.depth + 1, ..self.clone() };
        let mut values =
            arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
        let rest = values.split_off(function.parameters.len());
        inner.variables.extend(function.parameters.iter().cloned().zip(values));
        if let Some(name) = &function.rest {
            inner.variables.insert(name.clone(), HclValue::Array(rest));
        }
        inner.value(&function.result).map(Expression::from)
    }
}

/// JSON as an expression.
fn expression(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::Null,
        Value::Bool(value) => Expression::Bool(*value),
        Value::Number(number) => {
            let number =
                number.as_i64().map(hcl::Number::from).or_else(|| hcl::Number::from_f64(number.as_f64()?));
            number.map_or(Expression::Null, Expression::Number)
        }
        Value::String(text) => Expression::String(text.clone()),
        Value::Array(items) => Expression::Array(items.iter().map(expression).collect()),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                (hcl::expr::ObjectKey::Expression(Expression::String(key.clone())), expression(value))
            };
            Expression::Object(map.iter().map(pair).collect())
        }
    }
}
