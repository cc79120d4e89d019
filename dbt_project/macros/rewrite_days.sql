{#
  Materialization `rewrite_days`: the table's days in the run's window hold exactly what the model selects.

  One transaction: lock the table, empty the window's days, insert, bump each day's version. A day that selects
  nothing is emptied and its version bumped all the same. A killed run leaves the old days.
  Config: `date_column`, `unique_key` (starts with the date), `by_day` (native day partitions, for reading-grain tables),
  `records` (a source of records that the model stages: each day is marked with what they say of it), `in_turn` (the
  model selects `day_in_turn()`, and reads the days before it of its own table).
  The table is made from the columns that the model's yml declares; a column that is declared later is added.
#}
{% materialization rewrite_days, adapter='postgres' %}
  {%- set target = this.incorporate(type='table') -%}
  {%- set date_column = config.require('date_column') -%}
  {%- set by_day = config.get('by_day', false) -%}
  {%- set columns = model.columns.values() | map(attribute='name') | map('tojson') | join(', ') -%}

  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% call statement('lock') -%}
    select quality.lock_table('{{ this.schema }}.{{ this.identifier }}')
  {%- endcall %}

  {% call statement('create') -%}
    {{ create_from_contract(target, date_column, by_day) }}
  {%- endcall %}
  {% for column in columns_to_add(target) %}
    {% call statement('add') -%}
      alter table {{ target.include(database=false) }} add column {{ adapter.quote(column.name) }} {{ column.data_type }}
    {%- endcall %}
  {% endfor %}

  {%- set written = [] -%}
  {% for day in window_days() if by_day %}
    {%- set partition = api.Relation.create(schema=this.schema, identifier=this.identifier ~ '_' ~ day | replace('-', '')).include(database=false) -%}
    {%- do written.append(partition) -%}
    {% call statement('empty') -%}
      create table if not exists {{ partition }}
        partition of {{ target.include(database=false) }} for values in ('{{ day }}');
      truncate {{ partition }}
    {%- endcall %}
  {% else %}
    {%- do written.append(target.include(database=false)) -%}
    {% call statement('empty') -%}
      delete from {{ target }} where {{ in_window(adapter.quote(date_column)) }}
    {%- endcall %}
  {% endfor %}

  {# Asked before they are read: what lands in between is owed again, never missed. #}
  {%- set inputs = record_inputs(config.get('records')) if config.get('records') else {} -%}

  {% for day in window_days() if config.get('in_turn') %}
    {% call statement('main' if loop.last else 'day') -%}
      select set_config('energy_assets.day_in_turn', '{{ day }}', true);
      {{ insert_selected(target, columns, sql) }};
      select quality.bump_day('{{ this.identifier }}', '{{ day }}', (select count(*) from {{ target }} where {{ adapter.quote(date_column) }} = '{{ day }}'), '{{ var("run_id") }}', null)
    {%- endcall %}
  {% else %}
    {% call statement('main') -%}
      {{ insert_selected(target, columns, sql) }}
    {%- endcall %}
    {{ bump_days(target, date_column, inputs) }}
  {% endfor %}

  {# Of rows that nothing is known of yet the planner expects one, and whoever reads them next compares each with each. #}
  {% call statement('analyze') -%}
    analyze {{ written | join(', ') }}
  {%- endcall %}

  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro insert_selected(target, columns, sql) -%}
  insert into {{ target }} ({{ columns }})
  select {{ columns }} from (
    {{ sql }}
  ) as selected
{%- endmacro %}

{# A new version for each of the window's days, with its rows and what it was made of. #}
{% macro bump_days(target, date_column, inputs) %}
  {% call statement('bump') -%}
    select quality.bump_day('{{ this.identifier }}', days.day, count(written.{{ adapter.quote(date_column) }}), '{{ var("run_id") }}', days.inputs)
    from (values
      {% for day in window_days() %}(date '{{ day }}', {% if inputs.get(day) %}'{{ inputs[day] }}'{% else %}null::text{% endif %}){{ ', ' if not loop.last }}{% else %}(null::date, null::text){% endfor %}
    ) as days (day, inputs)
    left join {{ target }} as written
      on written.{{ adapter.quote(date_column) }} = days.day and {{ in_window('written.' ~ adapter.quote(date_column)) }}
    where days.day is not null
    group by days.day, days.inputs
  {%- endcall %}
{% endmacro %}

{# Day -> fingerprint of what the records of `source` say of it. Resources/ledger.py asks the same of days that are staged. #}
{% macro record_inputs(source) %}
  {% call statement('record_inputs', fetch_result=True) -%}
    select day::date::text, due.inputs
    from generate_series(
      date '{{ var("window_start") }}'::timestamp, date '{{ var("window_end") }}'::timestamp - interval '1 day', interval '1 day'
    ) as known (day)
    join lateral (
      select inputs from raw_data.record_states
      where source = '{{ source }}' and (changed_on = day::date or (is_lasting and changed_on < day::date))
      order by changed_on desc
      limit 1
    ) as due on true
  {%- endcall %}
  {%- set found = {} -%}
  {%- for row in load_result('record_inputs').data -%}
    {%- do found.update({row[0]: row[1]}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{# The window's days as ISO dates. #}
{% macro window_days() %}
  {%- set start = modules.datetime.date.fromisoformat(var('window_start')) -%}
  {%- set end = modules.datetime.date.fromisoformat(var('window_end')) -%}
  {%- set days = [] -%}
  {%- for offset in range((end - start).days) -%}
    {%- do days.append((start + modules.datetime.timedelta(days=offset)).isoformat()) -%}
  {%- endfor -%}
  {{ return(days) }}
{% endmacro %}

{# Declared columns that a table of an earlier version lacks; its days hold null there until they are rewritten. #}
{% macro columns_to_add(relation) %}
  {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
  {{ return(model.columns.values() | rejectattr('name', 'in', held) | list) }}
{% endmacro %}

{#
  Create statement from the model's declared columns; safe to repeat. What is declared as never null is held by the gates, which name the rows and close
  the day: a constraint here would end the run and name none.
#}
{% macro create_from_contract(relation, date_column, by_day) %}
  create table if not exists {{ relation.include(database=false) }} (
    {% for column in model.columns.values() -%}
      {{ adapter.quote(column.name) }} {{ column.data_type }},
    {% endfor -%}
    primary key ({% for key in config.require('unique_key') %}{{ adapter.quote(key) }}{{ ', ' if not loop.last }}{% endfor %})
  )
  {%- if by_day %} partition by list ({{ adapter.quote(date_column) }}){% endif %}
{% endmacro %}

{#
  Materialization `day_view`: a view over a table of days. It is made anew only where its definition changed; the window's
  days are bumped with the rows that they contribute, as a table's are.
  Config: `days_of`, the table of its schema that it is a view of, and `date_column`, that table's.
#}
{% materialization day_view, adapter='postgres' %}
  {%- set target = this.incorporate(type='view') -%}
  {%- set definition = local_md5(sql) -%}

  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% call statement('lock') -%}
    select quality.lock_table('{{ this.schema }}.{{ this.identifier }}')
  {%- endcall %}
  {% call statement('known', fetch_result=True) -%}
    select obj_description(to_regclass('{{ target.include(database=false) }}'), 'pg_class')
  {%- endcall %}
  {% call statement('main') -%}
    {%- if load_result('known').data[0][0] == definition -%}
      select 1
    {%- else -%}
      drop view if exists {{ target.include(database=false) }};
      create view {{ target.include(database=false) }} as ({{ sql }});
      comment on view {{ target.include(database=false) }} is '{{ definition }}'
    {%- endif -%}
  {%- endcall %}
  {% call statement('bump') -%}
    select quality.bump_day(
      '{{ this.identifier }}', days.day,
      (select count(*) from {{ this.schema }}.{{ adapter.quote(config.require('days_of')) }} as held
       where held.{{ adapter.quote(config.get('date_column', 'reading_date')) }} = days.day),
      '{{ var("run_id") }}'
    )
    from unnest(array[{% for day in window_days() %}date '{{ day }}'{{ ', ' if not loop.last }}{% endfor %}]::date[]) as days (day)
  {%- endcall %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}
