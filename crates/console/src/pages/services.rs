//! Integration → Service Connections → Services: what is built in, and what of it this version can do.

use admin::ServiceView;
use askama::Template;
use axum::response::Response;
use settings::Permission;

use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

#[derive(Template)]
#[template(path = "integration/services.html")]
struct ServicesPage {
    frame: Frame,
    services: Vec<ServiceView>,
}

pub(super) async fn list(visitor: Visitor) -> Result<Response, PageError> {
    page(&ServicesPage { frame: Frame::new(&visitor, "Services"), services: admin::list_services() })
}

/// For the template.
fn permissions(service: &ServiceView) -> String {
    let words = service.permissions.iter().map(|permission| match permission {
        Permission::Application => "application",
        Permission::Delegated => "delegated",
    });
    words.collect::<Vec<_>>().join(", ")
}
