//! Rules about the template.
