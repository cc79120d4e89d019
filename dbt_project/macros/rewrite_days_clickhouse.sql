{#
  Materialization `rewrite_days` on ClickHouse: each of the window's days holds exactly what the model selects, and nothing of it before all is there.

  The rows are selected into a table beside the model's own, whose partition of each day then takes the old one's place in one step. A killed run
  leaves the old days, and a table beside them that a later run drops. Days are swapped one after the other: a window is not one transaction.
  No locks, no versions, no verdicts: those are Postgres', where the graph writes. `by_day` says nothing here, a day is always a partition.
  The table is made from the columns that the model's yml declares, in the types of `clickhouse_types`; one that is declared later is added.
#}
{% materialization rewrite_days, adapter='clickhouse' %}
  {%- set target = this.incorporate(type='table') -%}
  {%- set date_column = config.require('date_column') -%}
  {%- set columns = model.columns.values() | map(attribute='name') | map('tojson') | join(', ') -%}
  {%- for name in ('records', 'in_turn') if config.get(name) -%}
    {%- do exceptions.raise_compiler_error(this.identifier ~ ' sets ' ~ name ~ ', which needs what only Postgres holds: run it there') -%}
  {%- endfor -%}
  {%- set staged = api.Relation.create(schema=this.schema, identifier=this.identifier ~ '__' ~ (invocation_id | replace('-', ''))[:12]) -%}

  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% call statement('create') -%}
    {{ clickhouse_table(target, date_column) }}
  {%- endcall %}
  {% for column in columns_to_add(target) %}
    {% call statement('add') -%}
      alter table {{ target }} add column {{ adapter.quote(column.name) }} {{ clickhouse_type(column) }}
    {%- endcall %}
  {% endfor %}
  {% for left in left_behind(this) %}
    {% call statement('drop') -%} drop table if exists {{ left }} sync {%- endcall %}
  {% endfor %}

  {% call statement('stage') -%}
    create table {{ staged }} as {{ target }}
  {%- endcall %}
  {% call statement('main') -%}
    {{ insert_selected(staged, columns, sql) }}
  {%- endcall %}
  {%- set held = days_held(staged) -%}
  {% for day in window_days() %}
    {% call statement('swap') -%}
      alter table {{ target }} {% if day in held %}replace partition '{{ day }}' from {{ staged }}{% else %}drop partition '{{ day }}'{% endif %}
    {%- endcall %}
  {% endfor %}
  {% call statement('unstage') -%}
    drop table {{ staged }} sync
  {%- endcall %}

  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# Create statement from the model's declared columns; safe to repeat. #}
{% macro clickhouse_table(relation, date_column) %}
  create table if not exists {{ relation }} (
    {% for column in model.columns.values() -%}
      {{ adapter.quote(column.name) }} {{ clickhouse_type(column) }}{{ ', ' if not loop.last }}
    {% endfor -%}
  )
  engine = MergeTree
  partition by {{ adapter.quote(date_column) }}
  order by ({% for key in config.require('unique_key') %}{{ adapter.quote(key) }}{{ ', ' if not loop.last }}{% endfor %})
{% endmacro %}

{# A declared column's type. #}
{% macro clickhouse_type(column) -%}
  {%- set declared = column.data_type -%}
  {%- set known = var('clickhouse_types') -%}
  {%- if declared in known -%}{%- set type = known[declared] -%}
  {%- elif declared in known.values() -%}{%- set type = declared -%}  {# the adapter knows some itself #}
  {%- elif declared.startswith('numeric(') -%}{%- set type = declared | replace('numeric', 'Decimal') -%}
  {%- else -%}{%- do exceptions.raise_compiler_error(column.name ~ ' is declared ' ~ declared ~ ', which clickhouse_types in dbt_project.yml lacks') -%}
  {%- endif -%}
  {%- if column.constraints | selectattr('type', 'equalto', 'not_null') | list -%}{{ type }}{%- else -%}Nullable({{ type }}){%- endif -%}
{%- endmacro %}

{# Days of which a table holds rows: nothing is no partition, and none can be put in another's place. #}
{% macro days_held(relation) %}
  {% call statement('held', fetch_result=True) -%}
    select distinct partition from system.parts where database = '{{ relation.schema }}' and table = '{{ relation.identifier }}' and active
  {%- endcall %}
  {{ return(load_result('held').data | map(attribute=0) | list) }}
{% endmacro %}

{# Tables that runs of more than a day ago left beside `relation`; a younger one may be that of a run that goes on. #}
{% macro left_behind(relation) %}
  {% call statement('left_behind', fetch_result=True) -%}
    select name from system.tables
    where database = '{{ relation.schema }}' and match(name, '^{{ relation.identifier }}__[0-9a-f]{12}$')
      and metadata_modification_time < now() - interval 1 day
  {%- endcall %}
  {%- set found = [] -%}
  {%- for row in load_result('left_behind').data -%}
    {%- do found.append(api.Relation.create(schema=relation.schema, identifier=row[0])) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}
