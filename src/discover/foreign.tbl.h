/* discover/foreign.tbl.h - kinds of discovery whose entries are checked and find nothing:
 * FOREIGN(name, takes the keys of promfile/http), and for each the keys that it has,
 * KEY(kind, key, type), and what must hold of them, CHECK(kind, what, key, with, text). Kinds in
 * the order of their names; checks in the order in which they are made.
 *
 * What: NEEDED (key has a text), NOT_EMPTY (nor is it empty where it stands there), ONE_OF (its
 * text is one of those in `with`, split by |, or is missing), NOT_BOTH (not together with the key
 * `with`), EITHER (key or `with`), LISTED (a list with an element), ROOTED (paths that begin with
 * /), FILLED (elements are not empty), HTTP_URL, URL. WHEN(kind, key, value) holds for the checks
 * of a kind that follow: they are made where key has that text ("" is the end of it; a value that
 * begins with = also where the key is missing). */
#ifndef FOREIGN
#define FOREIGN(name, http)
#endif
#ifndef KEY
#define KEY(kind, key, type)
#endif
#ifndef CHECK
#define CHECK(kind, what, key, with, text)
#endif

FOREIGN(aws, true)
KEY(aws, "role", TEXT)
KEY(aws, "region", TEXT)
KEY(aws, "endpoint", TEXT)
KEY(aws, "access_key", TEXT)
KEY(aws, "secret_key", TEXT)
KEY(aws, "profile", TEXT)
KEY(aws, "role_arn", TEXT)
KEY(aws, "external_id", TEXT)
KEY(aws, "refresh_interval", DURATION)
KEY(aws, "port", WHOLE)
KEY(aws, "filters", FILTERS)
KEY(aws, "clusters", TEXTS)
CHECK(aws, NEEDED, "role", "", "unknown AWS SD role \"\"")
CHECK(aws, ONE_OF, "role", "ec2|ecs|lightsail|msk|elasticache|rds|mq", "unknown AWS SD role \"%s\"")

FOREIGN(azure, true)
KEY(azure, "environment", TEXT)
KEY(azure, "port", WHOLE)
KEY(azure, "subscription_id", TEXT)
KEY(azure, "tenant_id", TEXT)
KEY(azure, "client_id", TEXT)
KEY(azure, "client_secret", TEXT)
KEY(azure, "refresh_interval", DURATION)
KEY(azure, "authentication_method", TEXT)
KEY(azure, "resource_group", TEXT)
CHECK(azure, NEEDED, "subscription_id", "", "azure SD configuration requires a subscription_id")
CHECK(azure, WHEN, "authentication_method", "=OAuth", "")
CHECK(azure, NEEDED, "tenant_id", "", "azure SD configuration requires a tenant_id")
CHECK(azure, NEEDED, "client_id", "", "azure SD configuration requires a client_id")
CHECK(azure, NEEDED, "client_secret", "", "azure SD configuration requires a client_secret")
CHECK(azure, WHEN, "", "", "")
CHECK(azure, ONE_OF, "authentication_method", "OAuth|ManagedIdentity|SDK|WorkloadIdentity",
      "unknown authentication_type \"%s\". Supported types are \"OAuth\", \"ManagedIdentity\", "
      "\"SDK\" or \"WorkloadIdentity\"")

FOREIGN(digitalocean, true)
KEY(digitalocean, "port", WHOLE)
KEY(digitalocean, "refresh_interval", DURATION)

FOREIGN(ec2, true)
KEY(ec2, "endpoint", TEXT)
KEY(ec2, "region", TEXT)
KEY(ec2, "access_key", TEXT)
KEY(ec2, "secret_key", TEXT)
KEY(ec2, "profile", TEXT)
KEY(ec2, "role_arn", TEXT)
KEY(ec2, "external_id", TEXT)
KEY(ec2, "refresh_interval", DURATION)
KEY(ec2, "port", WHOLE)
KEY(ec2, "filters", FILTERS)

FOREIGN(eureka, true)
KEY(eureka, "server", TEXT)
KEY(eureka, "refresh_interval", DURATION)
CHECK(eureka, NEEDED, "server", "", "eureka_sd: empty or null eureka server")
CHECK(eureka, HTTP_URL, "server", "", "invalid eureka server URL")

FOREIGN(gce, false)
KEY(gce, "project", TEXT)
KEY(gce, "zone", TEXT)
KEY(gce, "filter", TEXT)
KEY(gce, "refresh_interval", DURATION)
KEY(gce, "port", WHOLE)
KEY(gce, "tag_separator", TEXT)
CHECK(gce, NEEDED, "project", "", "GCE SD configuration requires a project")
CHECK(gce, NEEDED, "zone", "", "GCE SD configuration requires a zone")

FOREIGN(hetzner, true)
KEY(hetzner, "refresh_interval", DURATION)
KEY(hetzner, "port", WHOLE)
KEY(hetzner, "role", TEXT)
KEY(hetzner, "label_selector", TEXT)
CHECK(hetzner, NEEDED, "role", "", "role missing (one of: robot, hcloud)")
CHECK(hetzner, ONE_OF, "role", "robot|hcloud", "unknown role \"%s\"")

FOREIGN(ionos, true)
KEY(ionos, "datacenter_id", TEXT)
KEY(ionos, "port", WHOLE)
KEY(ionos, "refresh_interval", DURATION)
CHECK(ionos, NEEDED, "datacenter_id", "", "datacenter id can't be empty")

FOREIGN(kuma, true)
KEY(kuma, "server", TEXT)
KEY(kuma, "client_id", TEXT)
KEY(kuma, "refresh_interval", DURATION)
KEY(kuma, "fetch_timeout", DURATION)
CHECK(kuma, NEEDED, "server", "", "kuma SD server must not be empty")
CHECK(kuma, URL, "server", "", "kuma SD server must be a valid URL")

FOREIGN(lightsail, true)
KEY(lightsail, "endpoint", TEXT)
KEY(lightsail, "region", TEXT)
KEY(lightsail, "access_key", TEXT)
KEY(lightsail, "secret_key", TEXT)
KEY(lightsail, "profile", TEXT)
KEY(lightsail, "role_arn", TEXT)
KEY(lightsail, "external_id", TEXT)
KEY(lightsail, "refresh_interval", DURATION)
KEY(lightsail, "port", WHOLE)

FOREIGN(marathon, true)
KEY(marathon, "servers", TEXTS)
KEY(marathon, "refresh_interval", DURATION)
KEY(marathon, "auth_token", TEXT)
KEY(marathon, "auth_token_file", TEXT)
CHECK(marathon, LISTED, "servers", "", "marathon_sd: must contain at least one Marathon server")
CHECK(marathon, NOT_BOTH, "auth_token", "auth_token_file",
      "marathon_sd: at most one of auth_token & auth_token_file must be configured")
CHECK(marathon, NOT_BOTH, "basic_auth", "auth_token",
      "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured")
CHECK(marathon, NOT_BOTH, "basic_auth", "auth_token_file",
      "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured")
CHECK(marathon, NOT_BOTH, "bearer_token", "auth_token",
      "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file "
      "must be configured")
CHECK(marathon, NOT_BOTH, "bearer_token_file", "auth_token",
      "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file "
      "must be configured")
CHECK(marathon, NOT_BOTH, "authorization", "auth_token",
      "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured")
CHECK(marathon, NOT_BOTH, "authorization", "auth_token_file",
      "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured")

FOREIGN(nerve, false)
KEY(nerve, "servers", TEXTS)
KEY(nerve, "paths", TEXTS)
KEY(nerve, "timeout", DURATION)
CHECK(nerve, LISTED, "servers", "", "nerve SD config must contain at least one Zookeeper server")
CHECK(nerve, LISTED, "paths", "", "nerve SD config must contain at least one path")
CHECK(nerve, ROOTED, "paths", "", "nerve SD config paths must begin with '/': %s")

FOREIGN(nomad, true)
KEY(nomad, "allow_stale", BOOL)
KEY(nomad, "namespace", TEXT)
KEY(nomad, "refresh_interval", DURATION)
KEY(nomad, "region", TEXT)
KEY(nomad, "server", TEXT)
KEY(nomad, "tag_separator", TEXT)
CHECK(nomad, NOT_EMPTY, "server", "", "nomad SD configuration requires a server address")

FOREIGN(oci, true)
KEY(oci, "auth", TEXT)
KEY(oci, "tenancy", TEXT)
KEY(oci, "user", TEXT)
KEY(oci, "fingerprint", TEXT)
KEY(oci, "key_file", TEXT)
KEY(oci, "key_passphrase", TEXT)
KEY(oci, "key_passphrase_file", TEXT)
KEY(oci, "region", TEXT)
KEY(oci, "compartments", TEXTS)
KEY(oci, "port", WHOLE)
KEY(oci, "refresh_interval", DURATION)
CHECK(oci, NEEDED, "region", "", "oci_sd: region is required")
CHECK(oci, ONE_OF, "auth", "api_key|instance_principal",
      "oci_sd: unknown auth method \"%s\", expected \"api_key\" or \"instance_principal\"")
CHECK(oci, WHEN, "auth", "=api_key", "")
CHECK(oci, NEEDED, "tenancy", "", "oci_sd: api_key auth requires tenancy")
CHECK(oci, NEEDED, "user", "", "oci_sd: api_key auth requires user")
CHECK(oci, NEEDED, "fingerprint", "", "oci_sd: api_key auth requires fingerprint")
CHECK(oci, NEEDED, "key_file", "", "oci_sd: api_key auth requires key_file")
CHECK(oci, NOT_BOTH, "key_passphrase", "key_passphrase_file",
      "oci_sd: at most one of key_passphrase and key_passphrase_file must be configured")
CHECK(oci, WHEN, "auth", "instance_principal", "")
CHECK(oci, NOT_BOTH, "auth", "tenancy",
      "oci_sd: instance_principal auth must not have tenancy, "
      "user, fingerprint, key_file, key_passphrase, or key_passphrase_file set")
CHECK(oci, NOT_BOTH, "auth", "user",
      "oci_sd: instance_principal auth must not have tenancy, "
      "user, fingerprint, key_file, key_passphrase, or key_passphrase_file set")
CHECK(oci, NOT_BOTH, "auth", "fingerprint",
      "oci_sd: instance_principal auth must not have "
      "tenancy, user, fingerprint, key_file, key_passphrase, or key_passphrase_file set")
CHECK(oci, NOT_BOTH, "auth", "key_file",
      "oci_sd: instance_principal auth must not have tenancy, "
      "user, fingerprint, key_file, key_passphrase, or key_passphrase_file set")
CHECK(oci, WHEN, "", "", "")
CHECK(oci, FILLED, "compartments", "", "oci_sd: compartments must not be empty")

FOREIGN(openstack, false)
KEY(openstack, "identity_endpoint", TEXT)
KEY(openstack, "username", TEXT)
KEY(openstack, "userid", TEXT)
KEY(openstack, "password", TEXT)
KEY(openstack, "project_name", TEXT)
KEY(openstack, "project_id", TEXT)
KEY(openstack, "domain_name", TEXT)
KEY(openstack, "domain_id", TEXT)
KEY(openstack, "application_credential_name", TEXT)
KEY(openstack, "application_credential_id", TEXT)
KEY(openstack, "application_credential_secret", TEXT)
KEY(openstack, "role", TEXT)
KEY(openstack, "region", TEXT)
KEY(openstack, "refresh_interval", DURATION)
KEY(openstack, "port", WHOLE)
KEY(openstack, "all_tenants", BOOL)
KEY(openstack, "tls_config", TLS)
KEY(openstack, "availability", TEXT)
CHECK(openstack, ONE_OF, "availability", "public|internal|admin",
      "unknown availability %s, must be one of admin, internal or public")
CHECK(openstack, NEEDED, "role", "", "role missing (one of: instance, hypervisor, loadbalancer)")
CHECK(openstack, ONE_OF, "role", "instance|hypervisor|loadbalancer",
      "unknown OpenStack SD role \"%s\"")
CHECK(openstack, NEEDED, "region", "", "openstack SD configuration requires a region")

FOREIGN(outscale, true)
KEY(outscale, "endpoint", TEXT)
KEY(outscale, "region", TEXT)
KEY(outscale, "access_key", TEXT)
KEY(outscale, "secret_key", TEXT)
KEY(outscale, "secret_key_file", TEXT)
KEY(outscale, "refresh_interval", DURATION)
KEY(outscale, "port", WHOLE)
CHECK(outscale, NOT_EMPTY, "region", "", "outscale SD configuration requires a region")
CHECK(outscale, NEEDED, "access_key", "", "outscale SD configuration requires an access_key")
CHECK(outscale, EITHER, "secret_key", "secret_key_file",
      "one of secret_key & secret_key_file must be configured")
CHECK(outscale, NOT_BOTH, "secret_key", "secret_key_file",
      "at most one of secret_key & secret_key_file must be configured")

FOREIGN(puppetdb, true)
KEY(puppetdb, "refresh_interval", DURATION)
KEY(puppetdb, "url", TEXT)
KEY(puppetdb, "query", TEXT)
KEY(puppetdb, "include_parameters", BOOL)
KEY(puppetdb, "port", WHOLE)
CHECK(puppetdb, NEEDED, "url", "", "URL is missing")
CHECK(puppetdb, HTTP_URL, "url", "", "URL scheme must be 'http' or 'https'")
CHECK(puppetdb, HOST, "url", "", "host is missing in URL")
CHECK(puppetdb, NEEDED, "query", "", "query missing")

FOREIGN(scaleway, true)
KEY(scaleway, "project_id", TEXT)
KEY(scaleway, "api_url", TEXT)
KEY(scaleway, "zone", TEXT)
KEY(scaleway, "access_key", TEXT)
KEY(scaleway, "secret_key", TEXT)
KEY(scaleway, "secret_key_file", TEXT)
KEY(scaleway, "name_filter", TEXT)
KEY(scaleway, "tags_filter", TEXTS)
KEY(scaleway, "refresh_interval", DURATION)
KEY(scaleway, "port", WHOLE)
KEY(scaleway, "role", TEXT)
CHECK(scaleway, NEEDED, "role", "", "role missing (one of: instance, baremetal)")
CHECK(scaleway, ONE_OF, "role", "instance|baremetal", "unknown role \"%s\"")
CHECK(scaleway, NEEDED, "project_id", "", "project_id is mandatory")
CHECK(scaleway, EITHER, "secret_key", "secret_key_file",
      "one of secret_key & secret_key_file must be configured")
CHECK(scaleway, NOT_BOTH, "secret_key", "secret_key_file",
      "at most one of secret_key & secret_key_file must be configured")
CHECK(scaleway, NEEDED, "access_key", "", "access_key is mandatory")

FOREIGN(serverset, false)
KEY(serverset, "servers", TEXTS)
KEY(serverset, "paths", TEXTS)
KEY(serverset, "timeout", DURATION)
CHECK(serverset, LISTED, "servers", "",
      "serverset SD config must contain at least one Zookeeper server")
CHECK(serverset, LISTED, "paths", "", "serverset SD config must contain at least one path")
CHECK(serverset, ROOTED, "paths", "", "serverset SD config paths must begin with '/': %s")

FOREIGN(stackit, true)
KEY(stackit, "refresh_interval", DURATION)
KEY(stackit, "port", WHOLE)
KEY(stackit, "region", TEXT)
KEY(stackit, "endpoint", TEXT)
KEY(stackit, "project", TEXT)
KEY(stackit, "service_account_key", TEXT)
KEY(stackit, "private_key", TEXT)
KEY(stackit, "service_account_key_path", TEXT)
KEY(stackit, "private_key_path", TEXT)
KEY(stackit, "credentials_file_path", TEXT)
CHECK(stackit, URL, "endpoint", "", "invalid endpoint \"%s\"")

FOREIGN(triton, false)
KEY(triton, "account", TEXT)
KEY(triton, "role", TEXT)
KEY(triton, "dns_suffix", TEXT)
KEY(triton, "endpoint", TEXT)
KEY(triton, "groups", TEXTS)
KEY(triton, "port", WHOLE)
KEY(triton, "refresh_interval", DURATION)
KEY(triton, "tls_config", TLS)
KEY(triton, "version", WHOLE)
CHECK(triton, ONE_OF, "role", "container|cn",
      "triton SD configuration requires role to be "
      "'container' or 'cn'")
CHECK(triton, NEEDED, "account", "", "triton SD configuration requires an account")
CHECK(triton, NEEDED, "dns_suffix", "", "triton SD configuration requires a dns_suffix")
CHECK(triton, NEEDED, "endpoint", "", "triton SD configuration requires an endpoint")

FOREIGN(uyuni, true)
KEY(uyuni, "server", TEXT)
KEY(uyuni, "username", TEXT)
KEY(uyuni, "password", TEXT)
KEY(uyuni, "entitlement", TEXT)
KEY(uyuni, "separator", TEXT)
KEY(uyuni, "refresh_interval", DURATION)
CHECK(uyuni, NEEDED, "server", "", "Uyuni SD configuration requires server host")
CHECK(uyuni, URL, "server", "", "Uyuni Server URL is not valid")
CHECK(uyuni, NEEDED, "username", "", "Uyuni SD configuration requires a username")
CHECK(uyuni, NEEDED, "password", "", "Uyuni SD configuration requires a password")

FOREIGN(vultr, true)
KEY(vultr, "port", WHOLE)
KEY(vultr, "refresh_interval", DURATION)

#undef FOREIGN
#undef KEY
#undef CHECK
