SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA flagbit;
CREATE SCHEMA quartet;
CREATE FUNCTION flagbit.environment_copy() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := ((random() * 4611686018427387904)::bigint);
        RETURN NEW;
    END $$;
CREATE FUNCTION flagbit.environment_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
CREATE FUNCTION flagbit.flag_copy() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := ((random() * 4611686018427387904)::bigint);
        RETURN NEW;
    END $$;
CREATE FUNCTION flagbit.flag_state_copy() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := ((random() * 4611686018427387904)::bigint);
        RETURN NEW;
    END $$;
CREATE FUNCTION flagbit.flag_state_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
CREATE FUNCTION flagbit.flag_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
CREATE FUNCTION flagbit.project_copy() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := ((random() * 4611686018427387904)::bigint);
        RETURN NEW;
    END $$;
CREATE FUNCTION flagbit.project_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
CREATE FUNCTION flagbit.raise_revision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                UPDATE revision SET value = value + 1;
            ELSE
                UPDATE revision SET value = value + 1
                 WHERE project = CASE WHEN TG_OP = 'DELETE' THEN OLD.project ELSE NEW.project END;
            END IF;
            RETURN NULL;
        END $$;
CREATE FUNCTION quartet.api_key_copy() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := ((random() * 4611686018427387904)::bigint);
        RETURN NEW;
    END $$;
CREATE FUNCTION quartet.api_key_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE flagbit.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE flagbit.audit (
    id integer NOT NULL,
    project character varying(128) NOT NULL COLLATE pg_catalog."C",
    at character varying(24) NOT NULL,
    actor text NOT NULL,
    key_id text NOT NULL,
    action character varying(32) NOT NULL,
    kind character varying(16) NOT NULL,
    flag text,
    environment text,
    before text,
    after text,
    etag text
);
CREATE SEQUENCE flagbit.audit_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE flagbit.audit_id_seq OWNED BY flagbit.audit.id;
CREATE TABLE flagbit.environment (
    project character varying(128) NOT NULL COLLATE pg_catalog."C",
    key character varying(128) NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    created character varying(24) NOT NULL,
    updated character varying(24) NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    incarnation bigint DEFAULT ((random() * ('4611686018427387904'::bigint)::double precision))::bigint NOT NULL,
    tag character varying(64),
    tag_stamp character varying(200)
);
CREATE TABLE flagbit.flag (
    project character varying(128) NOT NULL COLLATE pg_catalog."C",
    key character varying(128) NOT NULL COLLATE pg_catalog."C",
    type character varying(16) NOT NULL,
    description text NOT NULL,
    tags text NOT NULL,
    variants text NOT NULL,
    default_variant text NOT NULL,
    off_variant text NOT NULL,
    client_visible boolean NOT NULL,
    archived boolean NOT NULL,
    created character varying(24) NOT NULL,
    updated character varying(24) NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    incarnation bigint DEFAULT ((random() * ('4611686018427387904'::bigint)::double precision))::bigint NOT NULL,
    tag character varying(64),
    tag_stamp character varying(200)
);
CREATE TABLE flagbit.flag_state (
    project character varying(128) NOT NULL COLLATE pg_catalog."C",
    flag character varying(128) NOT NULL COLLATE pg_catalog."C",
    environment character varying(128) NOT NULL COLLATE pg_catalog."C",
    enabled boolean NOT NULL,
    rules text NOT NULL,
    fallthrough text NOT NULL,
    off_variant text,
    created character varying(24) NOT NULL,
    updated character varying(24) NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    incarnation bigint DEFAULT ((random() * ('4611686018427387904'::bigint)::double precision))::bigint NOT NULL,
    tag character varying(64),
    tag_stamp character varying(200)
);
CREATE TABLE flagbit.project (
    key character varying(128) NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    require_conditions boolean NOT NULL,
    created character varying(24) NOT NULL,
    updated character varying(24) NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    incarnation bigint DEFAULT ((random() * ('4611686018427387904'::bigint)::double precision))::bigint NOT NULL,
    tag character varying(64),
    tag_stamp character varying(200)
);
CREATE TABLE flagbit.revision (
    project character varying(128) NOT NULL COLLATE pg_catalog."C",
    value bigint NOT NULL
);
CREATE TABLE quartet.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE quartet.api_key (
    id character varying(20) NOT NULL,
    prefix character varying(12) NOT NULL,
    digest character varying(64) NOT NULL,
    owner character varying(200) NOT NULL,
    role character varying(10) NOT NULL,
    product character varying(40),
    project character varying(200),
    environment character varying(200),
    created bigint NOT NULL,
    revoked bigint,
    last_used bigint,
    version integer DEFAULT 1 NOT NULL,
    incarnation bigint DEFAULT ((random() * ('4611686018427387904'::bigint)::double precision))::bigint NOT NULL,
    tag character varying(64),
    tag_stamp character varying(200)
);
CREATE TABLE quartet.deployment (
    name character varying(40) NOT NULL,
    value text NOT NULL
);
CREATE TABLE quartet.session (
    digest character varying(64) NOT NULL,
    key_id character varying(20) NOT NULL,
    created bigint NOT NULL,
    expires bigint NOT NULL
);
CREATE TABLE quartet.sign_in_link (
    digest character varying(64) NOT NULL,
    key_id character varying(20) NOT NULL,
    expires bigint NOT NULL
);
ALTER TABLE ONLY flagbit.audit ALTER COLUMN id SET DEFAULT nextval('flagbit.audit_id_seq'::regclass);
INSERT INTO flagbit.alembic_version VALUES ('0001');
INSERT INTO flagbit.audit VALUES (1, 'default', '2026-11-25T16:37:30.997Z', 'FlagBit', '', 'created', 'project', NULL, NULL, NULL, '{"created":"2026-11-25T16:37:30.943Z","key":"default","name":"Default","require_conditions":true,"revision":1,"updated":"2026-11-25T16:37:30.953Z"}', 'W/"f61aa676493bd8da"');
INSERT INTO flagbit.audit VALUES (2, 'default', '2026-11-25T16:37:32.310Z', 'Ada', 'key_S3H29vTyn0', 'created', 'environment', NULL, 'staging', NULL, '{"created":"2026-11-25T16:37:32.285Z","key":"staging","name":"Staging","revision":1,"updated":"2026-11-25T16:37:32.294Z"}', 'W/"73c91d69e7278cc0"');
INSERT INTO flagbit.audit VALUES (3, 'default', '2026-11-25T16:37:32.387Z', 'Grace', 'key_o24UFRMq15', 'created', 'flag', 'dark-mode', NULL, NULL, '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.331Z","default_variant":"off","description":"Dark colours for those who ask.","key":"dark-mode","off_variant":"off","revision":1,"tags":["ui"],"type":"boolean","updated":"2026-11-25T16:37:32.338Z","variants":{"off":false,"on":true}}', 'W/"28c4f1d4af6a1316"');
INSERT INTO flagbit.audit VALUES (4, 'default', '2026-11-25T16:37:32.443Z', 'Grace', 'key_o24UFRMq15', 'created', 'flag', 'new-checkout', NULL, NULL, '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.404Z","default_variant":"on","description":"Überarbeitete Kasse 🛒","key":"new-checkout","off_variant":"off","revision":1,"tags":["checkout","experiment"],"type":"boolean","updated":"2026-11-25T16:37:32.413Z","variants":{"off":false,"on":true}}', 'W/"8f055c441fe13a25"');
INSERT INTO flagbit.audit VALUES (5, 'default', '2026-11-25T16:37:32.490Z', 'Ada', 'key_S3H29vTyn0', 'created', 'flag', 'page-size', NULL, NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.461Z","default_variant":"small","description":"","key":"page-size","off_variant":"small","revision":1,"tags":["search"],"type":"integer","updated":"2026-11-25T16:37:32.465Z","variants":{"large":50,"small":10}}', 'W/"e83171cb2031ef12"');
INSERT INTO flagbit.audit VALUES (6, 'default', '2026-11-25T16:37:32.541Z', 'Ada', 'key_S3H29vTyn0', 'created', 'flag', 'price-factor', NULL, NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.506Z","default_variant":"plain","description":"","key":"price-factor","off_variant":"plain","revision":1,"tags":[],"type":"float","updated":"2026-11-25T16:37:32.516Z","variants":{"plain":1.0,"sale":0.85}}', 'W/"03b72d4de041e51a"');
INSERT INTO flagbit.audit VALUES (7, 'default', '2026-11-25T16:37:32.597Z', 'Ada', 'key_S3H29vTyn0', 'created', 'flag', 'greeting', NULL, NULL, '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.559Z","default_variant":"en","description":"","key":"greeting","off_variant":"en","revision":1,"tags":[],"type":"string","updated":"2026-11-25T16:37:32.570Z","variants":{"de":"Guten Tag","en":"Hello"}}', 'W/"c386a9c2f2e39896"');
INSERT INTO flagbit.audit VALUES (8, 'default', '2026-11-25T16:37:32.657Z', 'Ada', 'key_S3H29vTyn0', 'created', 'flag', 'banner', NULL, NULL, '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.615Z","default_variant":"none","description":"","key":"banner","off_variant":"none","revision":1,"tags":[],"type":"object","updated":"2026-11-25T16:37:32.628Z","variants":{"holidays":{"level":3,"text":"Back on 2 January","tone":"info"},"none":{}}}', 'W/"308fd4cd9901c8cd"');
INSERT INTO flagbit.audit VALUES (9, 'default', '2026-11-25T16:37:32.696Z', 'Grace', 'key_o24UFRMq15', 'created', 'flag', 'old-search', NULL, NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.677Z","default_variant":"off","description":"","key":"old-search","off_variant":"off","revision":1,"tags":[],"type":"boolean","updated":"2026-11-25T16:37:32.678Z","variants":{"off":false,"on":true}}', 'W/"8b6ece11b26ea497"');
INSERT INTO flagbit.audit VALUES (10, 'default', '2026-11-25T16:37:32.751Z', 'Gone', 'key_1FryV13jqc', 'created', 'flag', 'experiment-7', NULL, NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.721Z","default_variant":"off","description":"","key":"experiment-7","off_variant":"off","revision":1,"tags":[],"type":"boolean","updated":"2026-11-25T16:37:32.722Z","variants":{"off":false,"on":true}}', 'W/"7c056cd7a06e9c40"');
INSERT INTO flagbit.audit VALUES (11, 'default', '2026-11-25T16:37:32.788Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'dark-mode', 'production', '{"created":"2026-11-25T16:37:32.356Z","enabled":false,"environment":"production","fallthrough":{"variant":"off"},"flag":"dark-mode","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.376Z"}', '{"created":"2026-11-25T16:37:32.356Z","enabled":true,"environment":"production","fallthrough":{"variant":"off"},"flag":"dark-mode","off_variant":null,"revision":2,"rules":[{"conditions":[{"attribute":"theme","negate":false,"op":"equals","values":["dark"]}],"description":"","id":"asked","serve":{"variant":"on"}}],"updated":"2026-11-25T16:37:32.785Z"}', 'W/"aa5a965d37097208"');
INSERT INTO flagbit.audit VALUES (12, 'default', '2026-11-25T16:37:32.829Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'dark-mode', 'development', '{"created":"2026-11-25T16:37:32.356Z","enabled":false,"environment":"development","fallthrough":{"variant":"off"},"flag":"dark-mode","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.363Z"}', '{"created":"2026-11-25T16:37:32.356Z","enabled":true,"environment":"development","fallthrough":{"variant":"on"},"flag":"dark-mode","off_variant":null,"revision":2,"rules":[],"updated":"2026-11-25T16:37:32.827Z"}', 'W/"52d5363c5662d996"');
INSERT INTO flagbit.audit VALUES (13, 'default', '2026-11-25T16:37:32.872Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'state', 'new-checkout', 'production', '{"created":"2026-11-25T16:37:32.422Z","enabled":false,"environment":"production","fallthrough":{"variant":"on"},"flag":"new-checkout","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.428Z"}', '{"created":"2026-11-25T16:37:32.422Z","enabled":true,"environment":"production","fallthrough":{"bucket_by":"targetingKey","split":{"off":90,"on":10}},"flag":"new-checkout","off_variant":null,"revision":2,"rules":[{"conditions":[{"attribute":"email","negate":false,"op":"ends_with","values":["@example.test"]}],"description":"Who works here","id":"staff","serve":{"variant":"on"}},{"conditions":[{"attribute":"version","negate":false,"op":"semver_gt","values":["2.1.0"]}],"description":"","id":"modern","serve":{"bucket_by":"account","split":{"off":50,"on":50}}}],"updated":"2026-11-25T16:37:32.862Z"}', 'W/"bf875092e92b7149"');
INSERT INTO flagbit.audit VALUES (14, 'default', '2026-11-25T16:37:32.911Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'state', 'page-size', 'production', '{"created":"2026-11-25T16:37:32.476Z","enabled":false,"environment":"production","fallthrough":{"variant":"small"},"flag":"page-size","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.478Z"}', '{"created":"2026-11-25T16:37:32.476Z","enabled":true,"environment":"production","fallthrough":{"variant":"small"},"flag":"page-size","off_variant":null,"revision":2,"rules":[{"conditions":[{"attribute":"width","negate":false,"op":"gte","values":[768]}],"description":"","id":"tablet","serve":{"variant":"large"}}],"updated":"2026-11-25T16:37:32.910Z"}', 'W/"a0c6680b9fcf148a"');
INSERT INTO flagbit.audit VALUES (15, 'default', '2026-11-25T16:37:32.946Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'state', 'price-factor', 'production', '{"created":"2026-11-25T16:37:32.520Z","enabled":false,"environment":"production","fallthrough":{"variant":"plain"},"flag":"price-factor","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.528Z"}', '{"created":"2026-11-25T16:37:32.520Z","enabled":true,"environment":"production","fallthrough":{"variant":"plain"},"flag":"price-factor","off_variant":null,"revision":2,"rules":[{"conditions":[{"attribute":"now","negate":false,"op":"after","values":["2026-12-01T00:00:00Z"]}],"description":"","id":"winter","serve":{"variant":"sale"}}],"updated":"2026-11-25T16:37:32.945Z"}', 'W/"206f1cf364f08ad8"');
INSERT INTO flagbit.audit VALUES (16, 'default', '2026-11-25T16:37:32.983Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'state', 'greeting', 'production', '{"created":"2026-11-25T16:37:32.580Z","enabled":false,"environment":"production","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.584Z"}', '{"created":"2026-11-25T16:37:32.580Z","enabled":true,"environment":"production","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":2,"rules":[{"conditions":[{"attribute":"language","negate":false,"op":"starts_with","values":["de"]}],"description":"","id":"german","serve":{"variant":"de"}}],"updated":"2026-11-25T16:37:32.978Z"}', 'W/"cb58c3e09a480bdd"');
INSERT INTO flagbit.audit VALUES (17, 'default', '2026-11-25T16:37:33.018Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'state', 'banner', 'production', '{"created":"2026-11-25T16:37:32.631Z","enabled":false,"environment":"production","fallthrough":{"variant":"none"},"flag":"banner","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.644Z"}', '{"created":"2026-11-25T16:37:32.631Z","enabled":true,"environment":"production","fallthrough":{"variant":"holidays"},"flag":"banner","off_variant":null,"revision":2,"rules":[],"updated":"2026-11-25T16:37:33.016Z"}', 'W/"560f0f212bf85813"');
INSERT INTO flagbit.audit VALUES (18, 'default', '2026-11-25T16:37:33.063Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'old-search', 'production', '{"created":"2026-11-25T16:37:32.684Z","enabled":false,"environment":"production","fallthrough":{"variant":"off"},"flag":"old-search","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.693Z"}', '{"created":"2026-11-25T16:37:32.684Z","enabled":true,"environment":"production","fallthrough":{"variant":"on"},"flag":"old-search","off_variant":null,"revision":2,"rules":[],"updated":"2026-11-25T16:37:33.062Z"}', 'W/"dc2c82cc8c8063b5"');
INSERT INTO flagbit.audit VALUES (19, 'default', '2026-11-25T16:37:33.104Z', 'Grace', 'key_o24UFRMq15', 'changed', 'flag', 'dark-mode', NULL, '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.331Z","default_variant":"off","description":"Dark colours for those who ask.","key":"dark-mode","off_variant":"off","revision":1,"tags":["ui"],"type":"boolean","updated":"2026-11-25T16:37:32.338Z","variants":{"off":false,"on":true}}', '{"archived":false,"client_visible":true,"created":"2026-11-25T16:37:32.331Z","default_variant":"off","description":"Dark colours, for those who ask for them.","key":"dark-mode","off_variant":"off","revision":2,"tags":["ui"],"type":"boolean","updated":"2026-11-25T16:37:33.091Z","variants":{"off":false,"on":true}}', 'W/"619627c9e8756997"');
INSERT INTO flagbit.audit VALUES (20, 'default', '2026-11-25T16:37:33.141Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'flag', 'old-search', NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.677Z","default_variant":"off","description":"","key":"old-search","off_variant":"off","revision":1,"tags":[],"type":"boolean","updated":"2026-11-25T16:37:32.678Z","variants":{"off":false,"on":true}}', '{"archived":true,"client_visible":false,"created":"2026-11-25T16:37:32.677Z","default_variant":"off","description":"","key":"old-search","off_variant":"off","revision":2,"tags":[],"type":"boolean","updated":"2026-11-25T16:37:33.133Z","variants":{"off":false,"on":true}}', 'W/"160fdd2ff0c6f802"');
INSERT INTO flagbit.audit VALUES (21, 'default', '2026-11-25T16:37:33.176Z', 'Ada', 'key_S3H29vTyn0', 'changed', 'project', NULL, NULL, '{"created":"2026-11-25T16:37:30.943Z","key":"default","name":"Default","require_conditions":true,"revision":1,"updated":"2026-11-25T16:37:30.953Z"}', '{"created":"2026-11-25T16:37:30.943Z","key":"default","name":"The shop","require_conditions":true,"revision":2,"updated":"2026-11-25T16:37:33.170Z"}', 'W/"2ba7f1f5e4ce7fce"');
INSERT INTO flagbit.audit VALUES (22, 'default', '2026-11-25T16:37:33.216Z', 'administrator', 'admin', 'deleted', 'flag', 'experiment-7', NULL, '{"archived":false,"client_visible":false,"created":"2026-11-25T16:37:32.721Z","default_variant":"off","description":"","key":"experiment-7","off_variant":"off","revision":1,"tags":[],"type":"boolean","updated":"2026-11-25T16:37:32.722Z","variants":{"off":false,"on":true}}', NULL, NULL);
INSERT INTO flagbit.audit VALUES (23, 'default', '2026-11-25T16:37:33.255Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'greeting', 'staging', '{"created":"2026-11-25T16:37:32.580Z","enabled":false,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":1,"rules":[],"updated":"2026-11-25T16:37:32.593Z"}', '{"created":"2026-11-25T16:37:32.580Z","enabled":true,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":2,"rules":[],"updated":"2026-11-25T16:37:33.253Z"}', 'W/"4eb1ad06c7ef651b"');
INSERT INTO flagbit.audit VALUES (24, 'default', '2026-11-25T16:37:33.290Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'greeting', 'staging', '{"created":"2026-11-25T16:37:32.580Z","enabled":true,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":2,"rules":[],"updated":"2026-11-25T16:37:33.253Z"}', '{"created":"2026-11-25T16:37:32.580Z","enabled":false,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":3,"rules":[],"updated":"2026-11-25T16:37:33.289Z"}', 'W/"68958f2063c107bc"');
INSERT INTO flagbit.audit VALUES (25, 'default', '2026-11-25T16:37:33.323Z', 'Grace', 'key_o24UFRMq15', 'changed', 'state', 'greeting', 'staging', '{"created":"2026-11-25T16:37:32.580Z","enabled":false,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":3,"rules":[],"updated":"2026-11-25T16:37:33.289Z"}', '{"created":"2026-11-25T16:37:32.580Z","enabled":true,"environment":"staging","fallthrough":{"variant":"en"},"flag":"greeting","off_variant":null,"revision":4,"rules":[],"updated":"2026-11-25T16:37:33.322Z"}', 'W/"20f02a6971c366f0"');
INSERT INTO flagbit.environment VALUES ('default', 'development', 'Development', '2026-11-25T16:37:30.943Z', '2026-11-25T16:37:30.981Z', 1, 491304677236478976, 'd16a3741986db958', '1.491304677236478976.1');
INSERT INTO flagbit.environment VALUES ('default', 'production', 'Production', '2026-11-25T16:37:30.943Z', '2026-11-25T16:37:30.988Z', 1, 3687601483090425856, '3a5341b45422dfa2', '1.3687601483090425856.1');
INSERT INTO flagbit.environment VALUES ('default', 'staging', 'Staging', '2026-11-25T16:37:32.285Z', '2026-11-25T16:37:32.294Z', 1, 517364423986853888, '73c91d69e7278cc0', '1.517364423986853888.1');
INSERT INTO flagbit.flag VALUES ('default', 'new-checkout', 'boolean', 'Überarbeitete Kasse 🛒', '["checkout","experiment"]', '{"off":false,"on":true}', 'on', 'off', true, false, '2026-11-25T16:37:32.404Z', '2026-11-25T16:37:32.413Z', 1, 2644520430948926464, '8f055c441fe13a25', '1.2644520430948926464.1');
INSERT INTO flagbit.flag VALUES ('default', 'page-size', 'integer', '', '["search"]', '{"large":50,"small":10}', 'small', 'small', false, false, '2026-11-25T16:37:32.461Z', '2026-11-25T16:37:32.465Z', 1, 4277976227412044800, 'e83171cb2031ef12', '1.4277976227412044800.1');
INSERT INTO flagbit.flag VALUES ('default', 'price-factor', 'float', '', '[]', '{"plain":1.0,"sale":0.85}', 'plain', 'plain', false, false, '2026-11-25T16:37:32.506Z', '2026-11-25T16:37:32.516Z', 1, 1854983646213169152, '03b72d4de041e51a', '1.1854983646213169152.1');
INSERT INTO flagbit.flag VALUES ('default', 'greeting', 'string', '', '[]', '{"de":"Guten Tag","en":"Hello"}', 'en', 'en', true, false, '2026-11-25T16:37:32.559Z', '2026-11-25T16:37:32.570Z', 1, 637757020088560640, 'c386a9c2f2e39896', '1.637757020088560640.1');
INSERT INTO flagbit.flag VALUES ('default', 'banner', 'object', '', '[]', '{"holidays":{"level":3,"text":"Back on 2 January","tone":"info"},"none":{}}', 'none', 'none', true, false, '2026-11-25T16:37:32.615Z', '2026-11-25T16:37:32.628Z', 1, 3082583142871368704, '308fd4cd9901c8cd', '1.3082583142871368704.1');
INSERT INTO flagbit.flag VALUES ('default', 'dark-mode', 'boolean', 'Dark colours, for those who ask for them.', '["ui"]', '{"off":false,"on":true}', 'off', 'off', true, false, '2026-11-25T16:37:32.331Z', '2026-11-25T16:37:33.091Z', 2, 2379804994943242240, '619627c9e8756997', '2.2379804994943242240.1');
INSERT INTO flagbit.flag VALUES ('default', 'old-search', 'boolean', '', '[]', '{"off":false,"on":true}', 'off', 'off', false, true, '2026-11-25T16:37:32.677Z', '2026-11-25T16:37:33.133Z', 2, 2134315053465747456, '160fdd2ff0c6f802', '2.2134315053465747456.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'banner', 'production', true, '[]', '{"variant":"holidays"}', NULL, '2026-11-25T16:37:32.631Z', '2026-11-25T16:37:33.016Z', 2, 93548702039232512, '560f0f212bf85813', '2.93548702039232512.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'old-search', 'production', true, '[]', '{"variant":"on"}', NULL, '2026-11-25T16:37:32.684Z', '2026-11-25T16:37:33.062Z', 2, 1802723256900192256, 'dc2c82cc8c8063b5', '2.1802723256900192256.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'dark-mode', 'staging', false, '[]', '{"variant":"off"}', NULL, '2026-11-25T16:37:32.356Z', '2026-11-25T16:37:32.385Z', 1, 3588661690560656384, '49d2c9016eb3d277', '1.3588661690560656384.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'new-checkout', 'development', false, '[]', '{"variant":"on"}', NULL, '2026-11-25T16:37:32.422Z', '2026-11-25T16:37:32.423Z', 1, 1596523645080866816, '55420da3ce3904e2', '1.1596523645080866816.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'new-checkout', 'staging', false, '[]', '{"variant":"on"}', NULL, '2026-11-25T16:37:32.422Z', '2026-11-25T16:37:32.436Z', 1, 949336075191129088, '1f8c0634787f0e07', '1.949336075191129088.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'page-size', 'development', false, '[]', '{"variant":"small"}', NULL, '2026-11-25T16:37:32.476Z', '2026-11-25T16:37:32.477Z', 1, 3352667262226982912, 'b84134c153507abf', '1.3352667262226982912.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'page-size', 'staging', false, '[]', '{"variant":"small"}', NULL, '2026-11-25T16:37:32.476Z', '2026-11-25T16:37:32.489Z', 1, 2891411662474673152, '4ac345ca2517d967', '1.2891411662474673152.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'price-factor', 'development', false, '[]', '{"variant":"plain"}', NULL, '2026-11-25T16:37:32.520Z', '2026-11-25T16:37:32.524Z', 1, 3262222515742170112, '4976409839935d72', '1.3262222515742170112.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'greeting', 'staging', true, '[]', '{"variant":"en"}', NULL, '2026-11-25T16:37:32.580Z', '2026-11-25T16:37:33.322Z', 4, 1348432746660173824, '20f02a6971c366f0', '4.1348432746660173824.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'price-factor', 'staging', false, '[]', '{"variant":"plain"}', NULL, '2026-11-25T16:37:32.520Z', '2026-11-25T16:37:32.540Z', 1, 4370330611605565440, 'ecec55a7998f402c', '1.4370330611605565440.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'greeting', 'development', false, '[]', '{"variant":"en"}', NULL, '2026-11-25T16:37:32.580Z', '2026-11-25T16:37:32.581Z', 1, 3870993668304503808, '3fdd033b3c999c47', '1.3870993668304503808.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'banner', 'development', false, '[]', '{"variant":"none"}', NULL, '2026-11-25T16:37:32.631Z', '2026-11-25T16:37:32.631Z', 1, 4240850918014299136, '1679ccd3ce6229b8', '1.4240850918014299136.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'banner', 'staging', false, '[]', '{"variant":"none"}', NULL, '2026-11-25T16:37:32.631Z', '2026-11-25T16:37:32.649Z', 1, 2916187194886875136, '300158282df12a9c', '1.2916187194886875136.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'old-search', 'development', false, '[]', '{"variant":"off"}', NULL, '2026-11-25T16:37:32.684Z', '2026-11-25T16:37:32.688Z', 1, 42479151620944896, '37b0377a44178621', '1.42479151620944896.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'old-search', 'staging', false, '[]', '{"variant":"off"}', NULL, '2026-11-25T16:37:32.684Z', '2026-11-25T16:37:32.695Z', 1, 1432624106708613120, '2b2b7ee6dbe8d798', '1.1432624106708613120.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'dark-mode', 'production', true, '[{"conditions":[{"attribute":"theme","negate":false,"op":"equals","values":["dark"]}],"description":"","id":"asked","serve":{"variant":"on"}}]', '{"variant":"off"}', NULL, '2026-11-25T16:37:32.356Z', '2026-11-25T16:37:32.785Z', 2, 2184054328697990144, 'aa5a965d37097208', '2.2184054328697990144.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'dark-mode', 'development', true, '[]', '{"variant":"on"}', NULL, '2026-11-25T16:37:32.356Z', '2026-11-25T16:37:32.827Z', 2, 1163409272126418944, '52d5363c5662d996', '2.1163409272126418944.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'new-checkout', 'production', true, '[{"conditions":[{"attribute":"email","negate":false,"op":"ends_with","values":["@example.test"]}],"description":"Who works here","id":"staff","serve":{"variant":"on"}},{"conditions":[{"attribute":"version","negate":false,"op":"semver_gt","values":["2.1.0"]}],"description":"","id":"modern","serve":{"bucket_by":"account","split":{"off":50,"on":50}}}]', '{"bucket_by":"targetingKey","split":{"off":90,"on":10}}', NULL, '2026-11-25T16:37:32.422Z', '2026-11-25T16:37:32.862Z', 2, 2502680337906277376, 'bf875092e92b7149', '2.2502680337906277376.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'page-size', 'production', true, '[{"conditions":[{"attribute":"width","negate":false,"op":"gte","values":[768]}],"description":"","id":"tablet","serve":{"variant":"large"}}]', '{"variant":"small"}', NULL, '2026-11-25T16:37:32.476Z', '2026-11-25T16:37:32.910Z', 2, 289016638954098688, 'a0c6680b9fcf148a', '2.289016638954098688.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'price-factor', 'production', true, '[{"conditions":[{"attribute":"now","negate":false,"op":"after","values":["2026-12-01T00:00:00Z"]}],"description":"","id":"winter","serve":{"variant":"sale"}}]', '{"variant":"plain"}', NULL, '2026-11-25T16:37:32.520Z', '2026-11-25T16:37:32.945Z', 2, 2340319210208210944, '206f1cf364f08ad8', '2.2340319210208210944.1');
INSERT INTO flagbit.flag_state VALUES ('default', 'greeting', 'production', true, '[{"conditions":[{"attribute":"language","negate":false,"op":"starts_with","values":["de"]}],"description":"","id":"german","serve":{"variant":"de"}}]', '{"variant":"en"}', NULL, '2026-11-25T16:37:32.580Z', '2026-11-25T16:37:32.978Z', 2, 271889102329050112, 'cb58c3e09a480bdd', '2.271889102329050112.1');
INSERT INTO flagbit.project VALUES ('default', 'The shop', true, '2026-11-25T16:37:30.943Z', '2026-11-25T16:37:33.170Z', 2, 4490368947297095680, '2ba7f1f5e4ce7fce', '2.4490368947297095680.1');
INSERT INTO flagbit.revision VALUES ('default', 88);
INSERT INTO quartet.alembic_version VALUES ('0001');
INSERT INTO quartet.api_key VALUES ('key_uBpQQhh7Qz', 'ifm_yEVgZnyY', '72fb1d12eeee401b99aba120e72b388e9b890b9c18afa43c9323320bd67b022a', 'Linus', 'read', 'flagbit', 'default', NULL, 1795624651, NULL, NULL, 1, 3752359568536225792, '4c100ff559695235', '1.3752359568536225792.1');
INSERT INTO quartet.api_key VALUES ('key_M733aZawHG', 'ifm_8QVc3gt8', '4c7b5d4211a1033f37b90bd2bdd0156a117f336ce19cd1ecaf16effc7e46a94d', 'Laptop', 'server', 'flagbit', 'default', 'development', 1795624651, NULL, 1795624655, 1, 1856420796470001664, '00be506342421283', '1.1856420796470001664.1');
INSERT INTO quartet.api_key VALUES ('key_0BkdpVdVqm', 'ifm_bSnBsv7m', 'f7695082fd6f1b6c4f326d0df4c2c0c04fdd95d5050e58a4982e8c1132369542', 'Web', 'client', 'flagbit', 'default', 'production', 1795624651, NULL, 1795624655, 1, 1551640686994403328, '6238b1795871045b', '1.1551640686994403328.1');
INSERT INTO quartet.api_key VALUES ('key_AD41YSJV5o', 'ifm_jqKqi9nP', 'a35c540719fb1b01e96039e95597ef10e1c16e93a987f72e5f19d630cdcc05c9', 'Checkout', 'server', 'flagbit', 'default', 'production', 1795624651, NULL, 1795624655, 1, 1336607007677448192, '6444c81457b4dad1', '1.1336607007677448192.1');
INSERT INTO quartet.api_key VALUES ('key_1FryV13jqc', 'ifm_D5B3Guxz', 'b3a7bc24c4660a82f69af9d5cfd31f891c64630f74e1bc62674a4536f34f8a1c', 'Gone', 'write', 'flagbit', 'default', NULL, 1795624651, 1795624653, 1795624652, 2, 2846163161222556672, '235886f3beb7d123', '2.2846163161222556672.1');
INSERT INTO quartet.api_key VALUES ('key_o24UFRMq15', 'ifm_tFMHdoIf', '75bd7260e61944390227ea8059b04d343003e602bcbe7b0ba79a8cc151162da9', 'Grace', 'write', 'flagbit', 'default', NULL, 1795624651, NULL, 1795624653, 1, 255800161520215040, '331153161b84d119', '1.255800161520215040.1');
INSERT INTO quartet.api_key VALUES ('key_S3H29vTyn0', 'ifm_ukpoTdvk', 'c66e00d8f20c03f943e3c4cbe3af0ca8b3855c8ff2c8acf5e5ed29401fe67cc8', 'Ada', 'admin', 'flagbit', 'default', NULL, 1795624651, NULL, 1795624653, 1, 4505212296441158656, '014b1079d37d2f81', '1.4505212296441158656.1');
INSERT INTO quartet.api_key VALUES ('admin', '~09b7b1d64b8', '09b7b1d64b8ededad56abe982c3381ff41c8f76914e7cbc188c9210b41d5ab20', 'administrator', 'admin', NULL, NULL, NULL, 1795624650, NULL, 1795624654, 1, 1621332617833293824, 'ee65f36d2fdc1981', '1.1621332617833293824.1');
INSERT INTO quartet.deployment VALUES ('secret', '106fff2cf943f888b98fd48a73af77b8a260972d06f9b8b52f2e8021dc5797f4');
INSERT INTO quartet.session VALUES ('76cf9b9feedb8a453b1d448fd8d202be91a780e8f9f01e88e1a5970cf9a59a2f', 'admin', 1795624653, 1796229453);
SELECT pg_catalog.setval('flagbit.audit_id_seq', 25, true);
ALTER TABLE ONLY flagbit.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY flagbit.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY flagbit.environment
    ADD CONSTRAINT environment_pkey PRIMARY KEY (project, key);
ALTER TABLE ONLY flagbit.flag
    ADD CONSTRAINT flag_pkey PRIMARY KEY (project, key);
ALTER TABLE ONLY flagbit.flag_state
    ADD CONSTRAINT flag_state_pkey PRIMARY KEY (project, flag, environment);
ALTER TABLE ONLY flagbit.project
    ADD CONSTRAINT project_pkey PRIMARY KEY (key);
ALTER TABLE ONLY flagbit.revision
    ADD CONSTRAINT revision_pkey PRIMARY KEY (project);
ALTER TABLE ONLY quartet.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY quartet.api_key
    ADD CONSTRAINT api_key_digest_key UNIQUE (digest);
ALTER TABLE ONLY quartet.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);
ALTER TABLE ONLY quartet.deployment
    ADD CONSTRAINT deployment_pkey PRIMARY KEY (name);
ALTER TABLE ONLY quartet.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY quartet.sign_in_link
    ADD CONSTRAINT sign_in_link_pkey PRIMARY KEY (digest);
CREATE INDEX audit_by_flag ON flagbit.audit USING btree (project, flag, id);
CREATE INDEX audit_by_project ON flagbit.audit USING btree (project, id);
CREATE INDEX flag_state_by_environment ON flagbit.flag_state USING btree (project, environment);
CREATE INDEX api_key_prefix ON quartet.api_key USING btree (prefix);
CREATE INDEX session_expires ON quartet.session USING btree (expires);
CREATE TRIGGER environment_copy BEFORE INSERT ON flagbit.environment FOR EACH ROW EXECUTE FUNCTION flagbit.environment_copy();
CREATE TRIGGER environment_revision AFTER INSERT OR DELETE OR UPDATE ON flagbit.environment FOR EACH ROW EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER environment_revision_truncate AFTER TRUNCATE ON flagbit.environment FOR EACH STATEMENT EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER environment_version BEFORE UPDATE OF project, key, name, created, updated ON flagbit.environment FOR EACH ROW WHEN ((new.version <= old.version)) EXECUTE FUNCTION flagbit.environment_version();
CREATE TRIGGER flag_copy BEFORE INSERT ON flagbit.flag FOR EACH ROW EXECUTE FUNCTION flagbit.flag_copy();
CREATE TRIGGER flag_revision AFTER INSERT OR DELETE OR UPDATE ON flagbit.flag FOR EACH ROW EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER flag_revision_truncate AFTER TRUNCATE ON flagbit.flag FOR EACH STATEMENT EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER flag_state_copy BEFORE INSERT ON flagbit.flag_state FOR EACH ROW EXECUTE FUNCTION flagbit.flag_state_copy();
CREATE TRIGGER flag_state_revision AFTER INSERT OR DELETE OR UPDATE ON flagbit.flag_state FOR EACH ROW EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER flag_state_revision_truncate AFTER TRUNCATE ON flagbit.flag_state FOR EACH STATEMENT EXECUTE FUNCTION flagbit.raise_revision();
CREATE TRIGGER flag_state_version BEFORE UPDATE OF project, flag, environment, enabled, rules, fallthrough, off_variant, created, updated ON flagbit.flag_state FOR EACH ROW WHEN ((new.version <= old.version)) EXECUTE FUNCTION flagbit.flag_state_version();
CREATE TRIGGER flag_version BEFORE UPDATE OF project, key, type, description, tags, variants, default_variant, off_variant, client_visible, archived, created, updated ON flagbit.flag FOR EACH ROW WHEN ((new.version <= old.version)) EXECUTE FUNCTION flagbit.flag_version();
CREATE TRIGGER project_copy BEFORE INSERT ON flagbit.project FOR EACH ROW EXECUTE FUNCTION flagbit.project_copy();
CREATE TRIGGER project_version BEFORE UPDATE OF key, name, require_conditions, created, updated ON flagbit.project FOR EACH ROW WHEN ((new.version <= old.version)) EXECUTE FUNCTION flagbit.project_version();
CREATE TRIGGER api_key_copy BEFORE INSERT ON quartet.api_key FOR EACH ROW EXECUTE FUNCTION quartet.api_key_copy();
CREATE TRIGGER api_key_version BEFORE UPDATE OF id, prefix, digest, owner, role, product, project, environment, created, revoked ON quartet.api_key FOR EACH ROW WHEN ((new.version <= old.version)) EXECUTE FUNCTION quartet.api_key_version();
ALTER TABLE ONLY flagbit.environment
    ADD CONSTRAINT environment_project_fkey FOREIGN KEY (project) REFERENCES flagbit.project(key);
ALTER TABLE ONLY flagbit.flag
    ADD CONSTRAINT flag_project_fkey FOREIGN KEY (project) REFERENCES flagbit.project(key);
ALTER TABLE ONLY flagbit.flag_state
    ADD CONSTRAINT flag_state_project_environment_fkey FOREIGN KEY (project, environment) REFERENCES flagbit.environment(project, key) ON DELETE CASCADE;
ALTER TABLE ONLY flagbit.flag_state
    ADD CONSTRAINT flag_state_project_flag_fkey FOREIGN KEY (project, flag) REFERENCES flagbit.flag(project, key) ON DELETE CASCADE;
ALTER TABLE ONLY flagbit.revision
    ADD CONSTRAINT revision_project_fkey FOREIGN KEY (project) REFERENCES flagbit.project(key) ON DELETE CASCADE;
ALTER TABLE ONLY quartet.session
    ADD CONSTRAINT session_key_id_fkey FOREIGN KEY (key_id) REFERENCES quartet.api_key(id) ON DELETE CASCADE;
ALTER TABLE ONLY quartet.sign_in_link
    ADD CONSTRAINT sign_in_link_key_id_fkey FOREIGN KEY (key_id) REFERENCES quartet.api_key(id) ON DELETE CASCADE;
